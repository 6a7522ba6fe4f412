"""Picture encoders of `transformers`: CLIP, SigLIP, ViT, DINO and what else looks at pictures; by name or local folder.

What becomes the vector:
    image features     models of pictures and texts (CLIP, SigLIP): what is compared with texts
    class token        networks that have one (ViT, DeiT, DINOv2, DINOv3), after the last layer norm
    pooled             other networks with a trained or weightless pooling (ConvNeXt, ResNet, CLIP's vision part alone)
    mean of patches    the rest
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from triptych.content.opening import DECODING
from triptych.encoding.encoder import Encoder, needed, plain, stacked, weights_checksum
from triptych.encoding.loading import loading
from triptych.errors import TriptychError

Pool = Callable[[Any, torch.Tensor], torch.Tensor]


def load_image_encoder(name: str, device: torch.device) -> Encoder:
    """The picture encoder at a local folder or of a name on the model hub.

    Raises TriptychError: transformers is not installed, no such model, it takes no pictures, weights are not in it.
    """
    transformers = needed("transformers")
    with loading(name):
        processor = transformers.AutoImageProcessor.from_pretrained(name, backend="pil")
        model, found = transformers.AutoModel.from_pretrained(name, output_loading_info=True, dtype=torch.float32)
    model = model.eval().to(device)
    absent = sorted(found["missing_keys"])
    pooling, pool = _pooling(model, pooler_is_trained=not any("pooler" in each for each in absent))
    lacking = [each for each in absent if "pooler" not in each]
    if lacking:
        raise TriptychError(
            f"the weights lack {len(lacking)} tensors, for example {lacking[0]}: vectors would be drawn at random",
            where=name,
            hint="give the folder of the whole model",
        )

    def prepare(picture: Image.Image) -> NDArray[np.float32]:
        pixels: NDArray[np.float32] = processor(images=picture, return_tensors="np")["pixel_values"][0]
        return pixels

    def encode(prepared: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(pool(model, torch.from_numpy(stacked(prepared)).to(device)).float().cpu().numpy())

    try:
        width = encode([prepare(Image.new("RGB", (64, 64), "grey"))]).shape[1]
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        what = f"does not make one vector of a picture: {str(error).splitlines()[0][:160]}"
        raise TriptychError(what, where=name, hint="name a CLIP, SigLIP, ViT, DINO or other picture encoder") from None
    # a pooler that nobody trained is drawn anew at every loading, and is not used
    loaded = {name: tensor for name, tensor in model.state_dict().items() if name not in absent}
    identity = {
        "architecture": type(model).__name__,
        "weights_sha256": weights_checksum(loaded),
        "pooling": pooling,
        "preprocessing": {"decoding": DECODING, **plain(processor.to_dict())},
    }
    metadata = {
        "library": f"transformers {transformers.__version__}",
        "revision": getattr(model.config, "_commit_hash", None),
    }
    return Encoder("pictures", name, width, identity, prepare, encode, metadata)


def _pooling(model: Any, *, pooler_is_trained: bool) -> tuple[str, Pool]:
    if hasattr(model, "get_image_features"):
        return "image features", _image_features
    if hasattr(getattr(model, "embeddings", None), "cls_token"):
        return "class token", lambda model, pixels: model(pixel_values=pixels).last_hidden_state[:, 0]
    if pooler_is_trained:
        return "pooled, or mean of patches where the model does not pool", _pooled
    return "mean of patches", lambda model, pixels: _mean(model(pixel_values=pixels).last_hidden_state)


def _image_features(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    made = model.get_image_features(pixel_values=pixels)
    vectors: torch.Tensor = made if isinstance(made, torch.Tensor) else made.pooler_output
    return vectors


def _pooled(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    made = model(pixel_values=pixels)
    pooled = getattr(made, "pooler_output", None)
    return _mean(made.last_hidden_state) if pooled is None else pooled.flatten(1)


def _mean(hidden: torch.Tensor) -> torch.Tensor:
    """Over patches [n, patches, width] or places [n, width, down, across]."""
    return hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden.mean(dim=1)
