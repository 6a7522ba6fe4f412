"""Picture encoders of `transformers` (CLIP, SigLIP, ViT, DINO and others), by name or local folder.

The vector depends on the kind of model:
    image features     models of pictures and texts (CLIP, SigLIP): the vectors that are compared with texts
    class token        networks that have one (ViT, DeiT, DINOv2, DINOv3), after the last layer norm
    pooled             other networks whose pooling is trained or has no weights (ConvNeXt, ResNet, CLIP's vision part)
    mean of patches    all other networks
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from triptych.content.pictures import DECODING
from triptych.encoding.encoder import Encoder, import_optional, stack, to_json_values, weights_checksum
from triptych.encoding.loading import loading_model
from triptych.errors import TriptychError

Pool = Callable[[Any, torch.Tensor], torch.Tensor]


def load_image_encoder(name: str, device: torch.device) -> Encoder:
    """Load the picture encoder in a local folder, or of a name on the model hub.

    Raises TriptychError if transformers is not installed, if there is no such model, if weights are missing, or if it
    does not encode pictures.
    """
    transformers = import_optional("transformers")
    with loading_model(name):
        processor = transformers.AutoImageProcessor.from_pretrained(name, backend="pil")
        model, report = transformers.AutoModel.from_pretrained(name, output_loading_info=True, dtype=torch.float32)
    model = model.eval().to(device)
    absent = sorted(report["missing_keys"])
    pooling, pool = _choose_pooling(model, pooler_is_trained=not any("pooler" in each for each in absent))
    required = [each for each in absent if "pooler" not in each]
    if required:
        raise TriptychError(
            f"the weights lack {len(required)} tensors, for example {required[0]}: vectors would be random",
            where=name,
            hint="give the folder of the whole model",
        )

    def prepare(picture: Image.Image) -> NDArray[np.float32]:
        pixels: NDArray[np.float32] = processor(images=picture, return_tensors="np")["pixel_values"][0]
        return pixels

    def encode(prepared: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(pool(model, torch.from_numpy(stack(prepared)).to(device)).float().cpu().numpy())

    try:
        width = encode([prepare(Image.new("RGB", (64, 64), "grey"))]).shape[1]
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        what = f"does not give one vector per picture: {str(error).splitlines()[0][:160]}"
        raise TriptychError(what, where=name, hint="name a CLIP, SigLIP, ViT, DINO or other picture encoder") from None
    # an untrained pooler is initialised at random at every loading; it is not used
    loaded = {name: tensor for name, tensor in model.state_dict().items() if name not in absent}
    identity = {
        "architecture": type(model).__name__,
        "weights_sha256": weights_checksum(loaded),
        "pooling": pooling,
        "preprocessing": {"decoding": DECODING, **to_json_values(processor.to_dict())},
    }
    metadata = {
        "library": f"transformers {transformers.__version__}",
        "revision": getattr(model.config, "_commit_hash", None),
    }
    return Encoder("pictures", name, width, identity, prepare, encode, metadata)


def _choose_pooling(model: Any, *, pooler_is_trained: bool) -> tuple[str, Pool]:
    if hasattr(model, "get_image_features"):
        return "image features", _image_features
    if hasattr(getattr(model, "embeddings", None), "cls_token"):
        return "class token", lambda model, pixels: model(pixel_values=pixels).last_hidden_state[:, 0]
    if pooler_is_trained:
        return "pooled, or mean of patches where the model does not pool", _pooled
    return "mean of patches", lambda model, pixels: _mean(model(pixel_values=pixels).last_hidden_state)


def _image_features(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    output = model.get_image_features(pixel_values=pixels)
    vectors: torch.Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return vectors


def _pooled(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    output = model(pixel_values=pixels)
    pooled = getattr(output, "pooler_output", None)
    return _mean(output.last_hidden_state) if pooled is None else pooled.flatten(1)


def _mean(hidden: torch.Tensor) -> torch.Tensor:
    """The mean over patches [n, patches, width], or over positions [n, channels, height, width]."""
    return hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden.mean(dim=1)
