"""Loading a model of others: quietly, never running code that lies beside it, and with an error that can be mended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triptych.encoding.encoder import needed
from triptych.errors import TriptychError, location


@contextmanager
def loading(name: str) -> Iterator[None]:
    """While a model is loaded by name or from a folder. Raises TriptychError for what the libraries raise."""
    local = Path(name)
    if (name.startswith((".", "/", "~")) or name.count("/") > 1) and not local.is_dir():
        raise TriptychError("no such folder of a model", where=location(local), hint="check the path")
    logging = needed("transformers").utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except ImportError as error:
        raise TriptychError(f"needs more than is installed: {_first(error)}", where=name, hint=_first(error)) from None
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        if local.is_dir():
            hint = "give a folder that save_pretrained wrote: config.json, model.safetensors and the preprocessing"
        else:
            offline = os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "TRUE")
            way = "HF_HUB_OFFLINE is set, so nothing is fetched; unset it" if offline else "check name and network"
            hint = f"{way}, or give a local folder"
        raise TriptychError(f"cannot be loaded: {_first(error)}", where=name, hint=hint) from None
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
