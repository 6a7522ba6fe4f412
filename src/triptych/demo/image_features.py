"""The demo's image encoder: handmade features of colours, edges and brightness. It needs no weights to download.

It is plain and fast, and enough for a small shop. Features of a large pretrained network carry more information;
`triptych encode` computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.content.pictures import decode_picture, read_picture
from triptych.data.features import Features
from triptych.progress import Listener, ignore_progress, track

SIDE = 64  # pictures are resized to SIDE x SIDE pixels
HUES, SATURATIONS, VALUES = 12, 3, 4  # bins of the colour histogram
ORIENTATIONS, CELLS = 8, 3  # edge orientations are counted in CELLS x CELLS cells of the picture
EDGE_SCALES = (1, 2, 4)  # edges are found at full, half and quarter size
LAYOUT = 8  # the foreground is averaged in LAYOUT x LAYOUT cells
COLOURS, SHAPES, PATTERNS = 1.0, 0.6, 1.0  # weights of the blocks


def image_features(paths: Sequence[Path | None], *, width: int = 192, listener: Listener = ignore_progress) -> Features:
    """Encode pictures as features of modality "image": colours, shapes and patterns, reduced by PCA.

    paths: one picture per item, None if an item has none. Returns a table float32 [n_items, <= width] whose columns
    have mean 0 over the pictures; rows of missing pictures are zeros and not `present`. Few pictures give few columns.
    Raises InputError if a file does not exist or is not a picture, ValueError if `width` is not positive.
    """
    if width < 1:
        raise ValueError(f"width must be positive, got {width}")
    present = np.array([path is not None for path in paths], dtype=np.bool_)
    known = [path for path in paths if path is not None]
    described = [describe_picture(path) for path in track("encoding pictures", known, listener)]
    provenance = {"encoder": "triptych.demo.image_features", "side": SIDE}
    if not described:
        return Features("image", np.zeros((len(paths), 1), np.float32), present, provenance)
    weighted = zip(zip(*described, strict=True), (COLOURS, SHAPES, PATTERNS), strict=True)
    blocks = np.concatenate([_standardise(np.stack(rows)) * weight for rows, weight in weighted], axis=1)
    left, sizes, _ = np.linalg.svd(blocks, full_matrices=False)
    reduced = (left * sizes)[:, :width]
    reduced *= np.where(reduced[np.abs(reduced).argmax(axis=0), np.arange(reduced.shape[1])] < 0, -1, 1)  # fixed signs
    table = np.zeros((len(paths), reduced.shape[1]), dtype=np.float32)
    table[present] = reduced
    return Features("image", table, present, provenance)


def describe_picture(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return (colours, shapes, patterns) of one picture before standardising, float32 vectors. Raises InputError."""
    picture = decode_picture(read_picture(path), path).resize((SIDE, SIDE), Image.Resampling.BOX)
    grey = np.asarray(picture.convert("L"), dtype=np.float32) / np.float32(255)
    weight = _foreground(np.asarray(picture, dtype=np.float32) / np.float32(255))
    colours = _colours(np.asarray(picture.convert("HSV"), dtype=np.float32) / np.float32(256), weight)
    scales = [_edges(_shrink(grey, scale), _shrink(weight, scale)) for scale in EDGE_SCALES]
    shapes = np.concatenate([_shrink(weight, SIDE // LAYOUT).ravel(), scales[1][0]])
    return colours, shapes, np.concatenate([patterns for _, patterns in scales])


def _foreground(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32 [SIDE, SIDE] in 0 … 1: how much a pixel differs from the margin. Backgrounds are plain."""
    margin = np.concatenate([rgb[:3].reshape(-1, 3), rgb[:, :3].reshape(-1, 3), rgb[:, -3:].reshape(-1, 3)])
    distance = np.sqrt(((rgb - np.median(margin, axis=0)) ** 2).sum(axis=-1))
    return np.asarray(np.clip(distance / 0.3, 0.02, 1), dtype=np.float32)


def _colours(hsv: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a histogram of hue x saturation x value; square roots of the shares give rare colours more weight."""
    hue, saturation, value = (
        np.minimum((hsv[..., channel] * bins).astype(np.int64), bins - 1)
        for channel, bins in enumerate((HUES, SATURATIONS, VALUES))
    )
    return _histogram((hue * SATURATIONS + saturation) * VALUES + value, weight, HUES * SATURATIONS * VALUES)


def _edges(grey: NDArray[np.float32], weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return histograms of edge orientations per cell, and of pairs of orientations at some distances."""
    down, across = np.gradient(grey)
    strength = np.hypot(down, across) * weight
    bins = (np.arctan2(down, across) % np.pi * (ORIENTATIONS / np.pi)).astype(np.int64) % ORIENTATIONS
    side = len(grey)
    position = np.minimum(np.arange(side) * CELLS // side, CELLS - 1)
    cell = position[:, None] * CELLS + position
    per_cell = _histogram(cell * ORIENTATIONS + bins, strength, CELLS**2 * ORIENTATIONS)
    patterns = [_histogram(bins, strength, ORIENTATIONS)]
    for step in (2, 5):
        for one, other in ((np.s_[:, :-step], np.s_[:, step:]), (np.s_[:-step], np.s_[step:])):
            pair = bins[one] * ORIENTATIONS + bins[other]
            patterns.append(_histogram(pair, np.sqrt(strength[one] * strength[other]), ORIENTATIONS**2))
    return per_cell, np.concatenate(patterns)


def _histogram(bins: NDArray[np.int64], weights: NDArray[np.float32], n_bins: int) -> NDArray[np.float32]:
    """Return the square roots of the weighted shares of the bins, float32 [n_bins]."""
    counts = np.bincount(bins.ravel(), weights=weights.ravel(), minlength=n_bins)
    return np.sqrt(counts / max(float(counts.sum()), 1e-9)).astype(np.float32)


def _shrink(grey: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """Average blocks of scale x scale pixels."""
    side = len(grey) // scale
    return np.asarray(grey.reshape(side, scale, side, scale).mean(axis=(1, 3)))


def _standardise(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give every column mean 0. One scale for the whole block, because a scale per column would amplify noise."""
    centred = block - block.mean(axis=0)
    size = float(np.sqrt((centred**2).sum(axis=1).mean()))
    return np.asarray(centred / max(size, 1e-9), dtype=np.float32)
