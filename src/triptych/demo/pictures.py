"""The pictures of the shop: an item's palette, motif and form on the silhouette of its category.

These three attributes and the category are the signal. Everything else in a picture is random noise: the position, size
and angle of the item, the wall, the light, the tint, the scale and angle of the motif, and grain.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Plane = NDArray[np.float32]
Masks = tuple[Plane, Plane]  # the opacity of the second and the third colour of a palette, 0 … 1

SIDE = 80  # pixels of a finished picture
DRAWN = 2 * SIDE  # pictures are drawn larger, then reduced, for smooth edges

# palette -> ground, ink, accent
COLOURS: Mapping[str, tuple[tuple[int, int, int], ...]] = MappingProxyType(
    {
        "moss": ((98, 118, 70), (230, 224, 192), (48, 62, 40)),
        "terracotta": ((200, 102, 66), (246, 224, 198), (120, 48, 32)),
        "indigo": ((46, 62, 118), (216, 224, 238), (122, 152, 200)),
        "ochre": ((214, 158, 54), (250, 236, 200), (122, 78, 26)),
        "blush": ((234, 176, 168), (253, 242, 236), (176, 84, 92)),
        "charcoal": ((66, 66, 70), (232, 230, 224), (146, 144, 138)),
        "lagoon": ((40, 138, 144), (222, 242, 236), (16, 74, 88)),
        "plum": ((118, 60, 110), (240, 214, 226), (62, 26, 66)),
        "lemon": ((242, 218, 96), (255, 252, 234), (92, 128, 98)),
        "oxblood": ((130, 30, 38), (242, 208, 180), (56, 14, 22)),
    }
)
WALLS = ((240, 234, 224), (228, 230, 230), (236, 226, 214), (222, 230, 226), (238, 232, 238))
# round category -> half its height, then positions from top (0) to bottom (1) and the half-widths there
ROUND: Mapping[str, tuple[float, tuple[float, ...], tuple[float, ...]]] = MappingProxyType(
    {
        "vase": (0.68, (0, 0.08, 0.24, 0.6, 0.9, 1), (0.24, 0.19, 0.21, 0.44, 0.31, 0.25)),
        "bowl": (0.40, (0, 0.2, 0.55, 0.86, 0.9, 1), (0.68, 0.66, 0.5, 0.26, 0.22, 0.27)),
        "jug": (0.58, (0, 0.1, 0.3, 0.65, 0.9, 1), (0.28, 0.25, 0.28, 0.43, 0.40, 0.34)),
        "lamp": (0.42, (0, 0.3, 0.6, 1), (0.30, 0.42, 0.52, 0.62)),
    }
)


def draw_item(
    palette: str, motif: str, form: str, category: str, generator: np.random.Generator, *, side: int = SIDE
) -> Image.Image:
    """Draw an RGB picture of `side` x `side` pixels. Everything but the arguments is drawn from the generator.

    Raises KeyError for a name that is not in `world.ATTRIBUTES`.
    """
    axis = np.linspace(-1, 1, DRAWN, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    is_round = category in ROUND
    scene = _wall(y, x, is_round, generator)

    scale = generator.uniform(0.78, 1.08)
    angle = generator.normal(0.0, {"plate": 0.25, "tray": 0.15, "cushion": 0.2}.get(category, 0.05))
    item_x, item_y = (x - generator.normal(0.0, 0.07)) / scale, (y - generator.normal(0.04, 0.05)) / scale
    item_x, item_y = _rotate(item_x, item_y, angle)
    silhouette = _round_silhouette if is_round else _flat_silhouette
    inside, plain, across, down, light = silhouette(category, form, item_x, item_y, generator.uniform(-0.7, 0.7))

    colours = _tint(COLOURS[palette], generator)
    if generator.random() < 0.3:
        colours = colours[[1, 0, 2]]  # ground and ink exchanged
    frequency = generator.uniform(2.4, 3.6)
    u, v = _rotate(
        across * frequency + generator.random(), down * frequency + generator.random(), generator.normal(0, 0.2)
    )
    ink, accent = MOTIF_MASKS[motif](u, v, generator)
    painted = _blend(_blend(np.broadcast_to(colours[0], (*x.shape, 3)), colours[1], ink), colours[2], accent)
    painted = _blend(painted, colours[2 if is_round else 1], plain) * light[..., None]

    scene *= 1 - 0.42 * _shadow(inside, is_round, generator)[..., None]
    scene = scene * (1 - inside[..., None]) + painted * inside[..., None]
    scene *= generator.uniform(0.88, 1.08) * (1 + generator.normal(0, 0.02, size=3).astype(np.float32))
    scene += 4 * generator.standard_normal((DRAWN, DRAWN, 1), dtype=np.float32)
    picture = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    return picture.resize((side, side), Image.Resampling.BOX)


# --- silhouettes: (inside, without motif, coordinates of the motif across and down, light), each float32 [DRAWN, DRAWN]


def _round_silhouette(
    category: str, form: str, x: Plane, y: Plane, lamp: float
) -> tuple[Plane, Plane, Plane, Plane, Plane]:
    """A round item: a half-width for every height, and the motif wrapped around it."""
    height, positions, widths = ROUND[category]
    wide, tall = {"slim": (0.7, 1.12), "full": (1.12, 0.9), "angular": (1.0, 1.0), "lobed": (1.0, 1.0)}[form]
    half = height * tall
    middle = -0.28 if category == "lamp" else 0.0
    t = (y - middle + half) / (2 * half)
    width = _profile(t, positions, widths, smooth=form != "angular") * wide
    if form == "lobed":
        width = width + 0.028 * np.cos(2 * np.pi * t * (2.5 if category == "bowl" else 4.5))
    inside = ((np.abs(x) < width) & (t > 0) & (t < 1)).astype(np.float32)
    around = np.arcsin(np.clip(x / np.maximum(width, 0.02), -1, 1))
    light = 0.52 + 0.52 * np.cos(around - lamp) + 0.25 * np.clip(np.cos(around - 1.3 * lamp), 0, 1) ** 24
    plain = ((t < 0.05) | (t > 0.955)).astype(np.float32)
    if category == "lamp":
        light = 0.9 + 0.28 * np.exp(-3 * ((y - middle) ** 2 + x**2))  # lit from within
        stem = (np.abs(x) < 0.05 * wide + 0.3 * wide * np.clip((y - 0.5) / 0.18, 0, 1) ** 2) & (y > middle) & (y < 0.68)
        foot = np.where(inside > 0, 0, stem).astype(np.float32)
        inside, plain = np.maximum(inside, foot), np.maximum(plain, foot)
    if category == "jug":
        ring = np.hypot((x - 0.36 * wide) / 0.9, y + 0.08)
        handle = np.where(inside > 0, 0, (ring > 0.2) & (ring < 0.285) & (x > 0.1)).astype(np.float32)
        inside, plain = np.maximum(inside, handle), np.maximum(plain, handle)
    return inside, plain, (around * 0.5).astype(np.float32), y, np.clip(light, 0.35, 1.3).astype(np.float32)


def _flat_silhouette(
    category: str, form: str, x: Plane, y: Plane, lamp: float
) -> tuple[Plane, Plane, Plane, Plane, Plane]:
    """A flat item: an outline, given by `edge`, which is 0 in the middle and 1 at the rim."""
    if category == "triptych":
        edge = _triptych_edge(form, x, y)
    else:
        wide, tall, power = {"plate": (0.7, 0.7, 2.0), "tray": (0.82, 0.52, 5.0), "cushion": (0.66, 0.62, 3.4)}[
            category
        ]
        if form == "slim":
            wide, tall = (wide * 1.12, tall * 0.62) if category != "plate" else (wide * 0.68, tall * 1.1)
        across, down = np.abs(x) / wide, np.abs(y) / tall
        edge = np.asarray((across**power + down**power) ** (1 / power), dtype=np.float32)
        if form == "angular":  # corners cut off
            edge = np.maximum(np.maximum(across, down), (across + down) / (1.28 if category == "plate" else 1.5))
        elif form == "lobed":
            edge = edge / (0.95 + 0.07 * np.cos(10 * np.arctan2(down * np.sign(y), across * np.sign(x))))
    inside = (edge < 1).astype(np.float32)
    rim = {"plate": 0.8, "tray": 0.86, "cushion": 0.93, "triptych": 0.9}[category]
    plain = (edge > rim).astype(np.float32)
    light = 1.0 + 0.12 * (lamp * x - 0.6 * y) - 0.18 * (np.abs(edge - rim) < 0.025)
    if category == "cushion":
        light = light + 0.16 - 0.3 * np.clip(edge, 0, 1) ** 3  # stuffed
    return inside, plain, x, y, np.clip(light, 0.35, 1.3).astype(np.float32)


def _triptych_edge(form: str, x: Plane, y: Plane) -> Plane:
    half = 0.24 if form == "slim" else 0.285
    panel = np.clip(np.round(x / (2 * half)), -1, 1)
    across = (x - panel * 2 * half) / (half * 0.93)
    top = np.where(panel == 0, -0.66, -0.5)
    if form == "full":
        top = top + 0.2 * (1 - np.sqrt(np.clip(1 - across**2, 0, 1)))
    elif form == "angular":
        top = top + 0.22 * np.abs(across)
    elif form == "lobed":
        top = top + 0.07 * np.abs(np.cos(1.5 * np.pi * across))
    down = np.where(y < 0, y / np.minimum(top, -0.05), y / 0.62)
    return np.asarray(np.maximum(np.abs(across), down), dtype=np.float32)


def _profile(t: Plane, positions: tuple[float, ...], widths: tuple[float, ...], *, smooth: bool) -> Plane:
    if not smooth:
        return np.interp(t, positions, widths).astype(np.float32)
    dense = np.linspace(0, 1, 257)
    straight = np.interp(np.clip(np.linspace(-0.25, 1.25, 385), 0, 1), positions, widths)
    window = np.hanning(71)
    rounded = np.convolve(straight, window / window.sum(), mode="same")[64 : 64 + 257]
    return np.interp(t, dense, rounded).astype(np.float32)


# --- motifs: (u, v) in units of the repeat -> masks of ink and accent


def _stripes(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    phase = v % 1
    return _mask(phase < 0.5), _mask(np.abs(phase - 0.75) < 0.07)


def _waves(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    phase = (v + 0.2 * np.sin(2 * np.pi * u * 0.8)) % 1
    return _mask(phase < 0.42), _mask(np.abs(phase - 0.72) < 0.06)


def _zigzag(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    phase = (v + np.abs((u * 1.2) % 1 - 0.5) * 1.1) % 1
    return _mask(phase < 0.42), _mask(np.abs(phase - 0.72) < 0.06)


def _checks(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    column, row = np.floor(u * 1.6), np.floor(v * 1.6)
    return _mask((column + row) % 2 == 0), _mask((column % 2 == 1) & (row % 2 == 0))


def _dots(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    x, y, odd = _brick(u * 1.25, v * 1.25)
    radius = np.hypot(x, y)
    return _mask(radius < 0.33), _mask((radius < 0.15) & odd)


def _stars(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    x, y, _ = _brick(u, v)
    return _mask(np.sqrt(np.abs(x)) + np.sqrt(np.abs(y)) < 0.66), _mask(np.hypot(np.abs(x) - 0.5, y) < 0.08)


def _leaves(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    x, y, odd = _brick(u, v)
    along, across = _rotate(x, np.where(odd, y, -y), 0.9)
    return _mask(np.abs(across) < 0.3 * (1 - (along / 0.56) ** 2)), _mask(
        (np.abs(across) < 0.035) & (np.abs(along) < 0.6)
    )


def _scallops(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    x, y, _ = _brick(u, v * 2)
    radius = np.hypot(x, (y + 0.5) * 0.5)
    return _mask((radius > 0.3) & (radius < 0.47)), _mask(radius < 0.14)


def _arches(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    x, y = u % 1 - 0.5, v % 1
    radius = np.where(y > 0.5, np.abs(x), np.hypot(x, y - 0.5))
    return _mask((radius > 0.3) & (radius < 0.43)), _mask(radius < 0.16)


def _terrazzo(u: Plane, v: Plane, generator: np.random.Generator) -> Masks:
    x, y = u * 1.7 % 1 - 0.5, v * 1.7 % 1 - 0.5
    column, row = (np.floor(plane * 1.7).astype(np.int64) % 16 for plane in (u, v))
    turn, size, dx, dy, which = generator.random((5, 16, 16)).astype(np.float32)[:, row, column]
    x, y = _rotate(x - 0.24 * (dx - 0.5), y - 0.24 * (dy - 0.5), turn * np.pi)
    chip = np.abs(x) + 0.8 * np.abs(y) + 0.3 * np.abs(x + y) < 0.16 + 0.2 * size
    return _mask(chip & (which < 0.6)), _mask(chip & (which >= 0.6))


MOTIF_MASKS: Mapping[str, Callable[[Plane, Plane, np.random.Generator], Masks]] = MappingProxyType(
    {
        "stripes": _stripes,
        "waves": _waves,
        "dots": _dots,
        "checks": _checks,
        "scallops": _scallops,
        "zigzag": _zigzag,
        "leaves": _leaves,
        "terrazzo": _terrazzo,
        "arches": _arches,
        "stars": _stars,
    }
)


def _brick(u: Plane, v: Plane) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """Coordinates in [-0.5, 0.5) inside cells laid like bricks, and a mask of the shifted rows."""
    odd = np.floor(v) % 2 == 1
    return (u + 0.5 * odd) % 1 - 0.5, v % 1 - 0.5, odd


def _mask(chosen: NDArray[np.bool_]) -> Plane:
    return chosen.astype(np.float32)


# --- background and light


def _wall(y: Plane, x: Plane, has_table: bool, generator: np.random.Generator) -> NDArray[np.float32]:
    wall = np.array(WALLS[generator.integers(len(WALLS))], dtype=np.float32) + generator.normal(0, 3, size=3).astype(
        np.float32
    )
    light = 1.06 - 0.09 * np.hypot(x - generator.uniform(-0.8, 0.8), y + 0.5)
    if has_table:  # its edge is behind the item
        light = light * np.where(y > generator.uniform(0.3, 0.5), 0.9, 1.0)
    return np.asarray(wall * light[..., None], dtype=np.float32)


def _shadow(inside: Plane, is_round: bool, generator: np.random.Generator) -> Plane:
    shift = (int(generator.uniform(-14, 14)), 4 if is_round else 9)
    cast = np.roll(inside, (shift[1], shift[0]), axis=(0, 1))
    blurred = Image.fromarray((cast * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(9))
    return np.asarray(blurred, dtype=np.float32) / np.float32(255)


def _tint(colours: tuple[tuple[int, int, int], ...], generator: np.random.Generator) -> NDArray[np.float32]:
    """float32 [3, 3]: the colours of a palette with a random change of hue, saturation and lightness."""
    turn, depth, lightness = generator.normal(0, (0.015, 0.08, 0.06))
    rows = []
    for colour in colours:
        hue, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
        light = min(max(light * (1 + lightness), 0), 1)
        rows.append(colorsys.hls_to_rgb((hue + turn) % 1, light, min(max(saturation * (1 + depth), 0), 1)))
    return np.array(rows, dtype=np.float32) * 255


def _rotate(x: Plane, y: Plane, angle: float | Plane) -> tuple[Plane, Plane]:
    cos, sin = (math.cos(angle), math.sin(angle)) if isinstance(angle, float) else (np.cos(angle), np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def _blend(under: NDArray[np.float32], over: NDArray[np.float32], mask: Plane) -> NDArray[np.float32]:
    return np.asarray(under + (over - under) * mask[..., None], dtype=np.float32)
