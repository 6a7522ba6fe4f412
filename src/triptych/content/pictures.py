"""Pictures -> features by counting: which colours, which edges, how light and dark lie. No weights to download.

A plain, fast encoder for small shops and for the demo. Features of a large pretrained network, where they are to be
had, say more; they are read like any other table.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.content.opening import opened
from triptych.data.features import Features
from triptych.progress import Listener, ignore_progress, track

SIDE = 64  # every picture is looked at in this size
HUES, DEPTHS, LIGHTS = 12, 3, 4  # bins of the colour histogram
ORIENTATIONS, PLACES = 8, 3  # of edges, in PLACES x PLACES parts of the picture
EDGE_SCALES = (1, 2, 4)  # edges of the picture as it is, halved, quartered
LAYOUT = 8  # coarse light and dark, LAYOUT x LAYOUT
COLOURS, SHAPES, PATTERNS = 1.0, 0.6, 1.0  # weights of the blocks


def picture_features(
    paths: Sequence[Path | None], *, width: int = 192, listener: Listener = ignore_progress
) -> Features:
    """Features of modality "image": colours, shapes and patterns, reduced to the directions that vary most.

    paths: one picture an item, None where there is none. -> table float32 [n_items, <= width]: columns with mean 0 over
    the pictures; rows of missing pictures are zeros and not `present`. Fewer columns where there are few pictures.
    Raises InputError on a file that is missing or not a picture, ValueError when `width` is not positive.
    """
    if width < 1:
        raise ValueError(f"width must be positive, got {width}")
    present = np.array([path is not None for path in paths], dtype=np.bool_)
    there = [path for path in paths if path is not None]
    described = [describe_picture(path) for path in track("encoding pictures", there, listener)]
    provenance = {"encoder": "triptych.content.pictures", "side": SIDE}
    if not described:
        return Features("image", np.zeros((len(paths), 1), np.float32), present, provenance)
    weighed = zip(zip(*described, strict=True), (COLOURS, SHAPES, PATTERNS), strict=True)
    blocks = np.concatenate([_standardised(np.stack(rows)) * weight for rows, weight in weighed], axis=1)
    left, sizes, _ = np.linalg.svd(blocks, full_matrices=False)
    reduced = (left * sizes)[:, :width]
    reduced *= np.where(reduced[np.abs(reduced).argmax(axis=0), np.arange(reduced.shape[1])] < 0, -1, 1)  # one sign
    table = np.zeros((len(paths), reduced.shape[1]), dtype=np.float32)
    table[present] = reduced
    return Features("image", table, present, provenance)


def thumbnail(path: Path, width: int, height: int) -> bytes:
    """A picture as a JPEG that fits into width x height pixels. Raises InputError."""
    with opened(path) as whole:
        whole.draft("RGB", (width, height))
        picture = whole.convert("RGB")
        picture.thumbnail((width, height))
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=78)
    return made.getvalue()


def describe_picture(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(colours, shapes, patterns) of one picture before standardising, float32 vectors. Raises InputError."""
    with opened(path) as whole:
        picture = whole.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    grey = np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
    weight = _foreground(np.asarray(picture, dtype=np.float32) / np.float32(255))
    colours = _colours(np.asarray(picture.convert("HSV"), dtype=np.float32) / np.float32(256), weight)
    scales = [_edges(_shrunk(grey, scale), _shrunk(weight, scale)) for scale in EDGE_SCALES]
    shapes = np.concatenate([_shrunk(weight, SIDE // LAYOUT).ravel(), scales[1][0]])
    return colours, shapes, np.concatenate([patterns for _, patterns in scales])


def _foreground(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [SIDE, SIDE], 0 … 1: how unlike the picture's margin a pixel is; goods stand before a plain wall."""
    margin = np.concatenate([rgb[:3].reshape(-1, 3), rgb[:, :3].reshape(-1, 3), rgb[:, -3:].reshape(-1, 3)])
    far = np.sqrt(((rgb - np.median(margin, axis=0)) ** 2).sum(axis=-1))
    return np.asarray(np.clip(far / 0.3, 0.02, 1), dtype=np.float32)


def _colours(hsv: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shares of hue x saturation x value, square roots taken: rare colours count too."""
    hue, depth, light = (
        np.minimum((hsv[..., channel] * bins).astype(np.int64), bins - 1)
        for channel, bins in enumerate((HUES, DEPTHS, LIGHTS))
    )
    return _shares((hue * DEPTHS + depth) * LIGHTS + light, weight, HUES * DEPTHS * LIGHTS)


def _edges(grey: NDArray[np.float32], weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(orientations of edges by place, which orientations meet at some distance)."""
    down, across = np.gradient(grey)
    strength = np.hypot(down, across) * weight
    bins = (np.arctan2(down, across) % np.pi * (ORIENTATIONS / np.pi)).astype(np.int64) % ORIENTATIONS
    side = len(grey)
    third = np.minimum(np.arange(side) * PLACES // side, PLACES - 1)
    cell = third[:, None] * PLACES + third
    local = _shares(cell * ORIENTATIONS + bins, strength, PLACES**2 * ORIENTATIONS)
    patterns = [_shares(bins, strength, ORIENTATIONS)]
    for step in (2, 5):
        for here, there in ((np.s_[:, :-step], np.s_[:, step:]), (np.s_[:-step], np.s_[step:])):
            meeting = bins[here] * ORIENTATIONS + bins[there]
            patterns.append(_shares(meeting, np.sqrt(strength[here] * strength[there]), ORIENTATIONS**2))
    return local, np.concatenate(patterns)


def _shares(bins: NDArray[np.int64], weights: NDArray[np.float32], n_bins: int) -> NDArray[np.float32]:
    counts = np.bincount(bins.ravel(), weights=weights.ravel(), minlength=n_bins)
    return np.sqrt(counts / max(float(counts.sum()), 1e-9)).astype(np.float32)


def _shrunk(grey: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    side = len(grey) // scale
    return np.asarray(grey.reshape(side, scale, side, scale).mean(axis=(1, 3)))


def _standardised(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean 0 in every column; one scale for the whole block, so that near-constant columns are not blown up."""
    centred = block - block.mean(axis=0)
    size = float(np.sqrt((centred**2).sum(axis=1).mean()))
    return np.asarray(centred / max(size, 1e-9), dtype=np.float32)
