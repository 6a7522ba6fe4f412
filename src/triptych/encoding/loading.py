"""Loading a model of another library: without log output, without running code from its folder, with clear errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triptych.encoding.encoder import import_optional
from triptych.errors import TriptychError, location


@contextmanager
def loading_model(name: str) -> Iterator[None]:
    """Silence `transformers` while a model is loaded. Errors of the libraries are raised as TriptychError."""
    local = Path(name)
    if (name.startswith((".", "/", "~")) or name.count("/") > 1) and not local.is_dir():
        raise TriptychError("no such model folder", where=location(local), hint="check the path")
    logging = import_optional("transformers").utils.logging
    level, has_progress_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except ImportError as error:
        line = _first_line(error)
        raise TriptychError(f"needs a library that is not installed: {line}", where=name, hint=line) from None
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        if local.is_dir():
            hint = "give a folder that save_pretrained wrote: config.json, model.safetensors and the preprocessing"
        else:
            is_offline = os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "TRUE")
            step = (
                "HF_HUB_OFFLINE is set, so nothing is downloaded: unset it" if is_offline else "check name and network"
            )
            hint = f"{step}, or give a local folder"
        raise TriptychError(f"cannot be loaded: {_first_line(error)}", where=name, hint=hint) from None
    finally:
        logging.set_verbosity(level)
        if has_progress_bar:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
