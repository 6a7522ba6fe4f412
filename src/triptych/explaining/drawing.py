"""A neighbourhood as an SVG that needs nothing beside it: lines as wide as what they add.

Colours are Okabe and Ito's, which colour-blind readers tell apart; what takes away is dashed too, and every number is
written. The same neighbourhood gives the same bytes.
"""

from __future__ import annotations

import textwrap
from html import escape

from triptych.explaining.explanation import WORDS, Reason, shares
from triptych.explaining.neighbourhood import Neighbourhood
from triptych.models.decomposition import COLLABORATIVE

BLUE, ORANGE, GREEN, GREY, INK, SOFT = "#0072B2", "#D55E00", "#009E73", "#8a8a94", "#1b1b1f", "#4d4d57"
WIDTH, TOP, ROW, CARD, LAST, PICTURE = 1180, 50, 92, 362, 240, (54, 72)
USER_X, ITEMS_X, OTHERS_X, ITEM_X = 64, 190, 724, 910  # left edges of the columns; of round nodes the middle
WIDEST, THINNEST = 13.0, 0.8
REST_WIDTH = 150  # characters of a line


def draw(one: Neighbourhood) -> str:
    """The drawing, as the text of an SVG."""
    told = one.explanation
    rest_of_history = told.reasons[len(one.reasons) :] if len(told.reasons) > len(one.reasons) else []
    rows = max(len(one.reasons) + bool(rest_of_history), len(one.others), 3)
    middle = TOP + rows * ROW / 2
    largest = max((abs(reason.contribution) for reason in one.reasons), default=0.0) or 1.0
    own = [
        _centre(position, len(one.reasons) + bool(rest_of_history), rows) for position in range(len(one.reasons) + 1)
    ]
    others = [_centre(position, len(one.others), rows) for position in range(len(one.others))]
    lines, nodes = [], [_heads(one)]
    for position, reason in enumerate(one.reasons):
        y = own[position]
        lines.append(_line((USER_X + 26, middle), (ITEMS_X, y), reason.contribution / largest, "contribution"))
        content = sum(value for name, value in reason.through.items() if name != COLLABORATIVE)
        if content > 0.02 * largest:
            lines.append(_line((ITEMS_X + CARD, y), (ITEM_X, middle), content / largest, "content"))
        nodes.append(_card(ITEMS_X, y, reason.title, _said(reason), one.pictures[position], "item"))
    for a, b in one.paths:
        lines.append(_path((ITEMS_X + CARD, own[a]), (OTHERS_X - 20, others[b])))
    for y, name in zip(others, one.others, strict=True):
        lines.append(_path((OTHERS_X + 20, y), (ITEM_X, middle)))
        nodes.append(_person(OTHERS_X, y, name, GREEN, "other"))
    if rest_of_history:
        shown = sum(reason.contribution for reason in one.reasons)
        left = sum(reason.contribution for reason in told.reasons) - shown
        count = len(told.reasons) - len(one.reasons)
        y = own[len(one.reasons)]
        lines.append(_curve((USER_X + 26, middle), (ITEMS_X, y), GREY, 1.3, 'class="others" stroke-dasharray="1 4"'))
        nodes.append(_card(ITEMS_X, y, f"{count} other items", f"{left:+.3g} together", None, "more"))
    nodes.append(_person(USER_X, middle, told.user, BLUE, "user"))
    rank = f", rank {told.rank}" if told.rank is not None else ""
    nodes.append(_card(ITEM_X, middle, told.title, f"score {told.score:.4g}{rank}", one.pictures[-1], "recommended"))
    foot = _foot(one, TOP + rows * ROW)
    height = TOP + rows * ROW + 34 + 20 * (len(foot) - 4)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'font-family="system-ui, sans-serif" font-size="14">',
            f"<title>{escape(f'Why user {told.user} has {told.title}')}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *lines,
            *nodes,
            *foot,
            "</svg>",
        ]
    )


def _heads(one: Neighbourhood) -> str:
    others = len(one.others)
    if others:
        like = f"like-minded users ({others} of {one.n_others:,})" if one.n_others > others else "like-minded users"
    else:
        like = "nobody took these and the item"
    columns = ((USER_X - 34, "user"), (ITEMS_X, "took, and what it adds"), (OTHERS_X - 90, like), (ITEM_X, "has"))
    return "".join(_text(x, 30, words, SOFT, size=14, weight=600) for x, words in columns)


def _foot(one: Neighbourhood, y: float) -> list[str]:
    """What lines mean, and below it the rest of the score."""
    rest = ", ".join(f"{name} {value:+.3g}" for name, value in one.explanation.rest.items())
    kind = "exact" if one.explanation.exact else "approximate"
    legend = [
        (BLUE, "", "adds to the score"),
        (ORANGE, "6 4", "takes away"),
        (GREEN, "2 3", "by looks, words, metadata"),
        (GREY, "", "a path through who took both"),
    ]
    made, x = [], USER_X - 34.0
    for colour, dash, words in legend:
        made.append(
            f'<line x1="{x}" y1="{y + 15}" x2="{x + 34}" y2="{y + 15}" stroke="{colour}" stroke-width="4" '
            f'stroke-dasharray="{dash}"/>' + _text(x + 42, y + 20, words, SOFT, size=13)
        )
        x += 60 + 7.2 * len(words)
    said = textwrap.wrap(f"Parts are {kind}. The rest of the score: {rest or 'none'}.", REST_WIDTH)
    return made + [_text(USER_X - 34, y + 46 + 20 * n, line, SOFT, size=13) for n, line in enumerate(said)]


def _said(reason: Reason) -> str:
    parts = [f"{WORDS.get(name, name)} {100 * share:.0f} %" for name, share in shares(reason.through).items()]
    short = ", ".join(parts[:2]).replace("like-minded users", "like-minded")
    return f"{reason.contribution:+.3g}" + (f": {short}" if short else "")


def _centre(position: int, count: int, rows: int) -> float:
    """The middle of a node's row: columns stand in the middle of the picture's height."""
    return TOP + (rows - count) * ROW / 2 + (position + 0.5) * ROW


def _line(begin: tuple[float, float], end: tuple[float, float], size: float, kind: str) -> str:
    colour = ORANGE if size < 0 else GREEN if kind == "content" else BLUE
    dash = ' stroke-dasharray="6 4"' if size < 0 else ' stroke-dasharray="2 3"' if kind == "content" else ""
    width = min(WIDEST, max(THINNEST, WIDEST * abs(size)))
    return _curve(begin, end, colour, width, f'class="{kind}" opacity="0.75"{dash}')


def _path(begin: tuple[float, float], end: tuple[float, float]) -> str:
    return _curve(begin, end, GREY, 1.3, 'class="path" opacity="0.8"')


def _curve(begin: tuple[float, float], end: tuple[float, float], colour: str, width: float, more: str) -> str:
    (x, y), (to_x, to_y) = begin, end
    half = (x + to_x) / 2
    way = f"M{x:.1f} {y:.1f} C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="{width:.2f}" {more}/>'


def _card(x: float, y: float, title: str, words: str, picture: str | None, kind: str) -> str:
    """An item: its picture, two lines of title, and what is said of it."""
    narrow = kind == "recommended"
    width, left = (LAST if narrow else CARD), x + 8
    room = (width - 16 - (PICTURE[0] + 8 if picture else 0)) / 8.6  # characters of a line
    lines = textwrap.wrap(title, int(room), max_lines=2, placeholder=" …")
    stroke = BLUE if narrow else "#c9c9d1"
    made = [
        f'<g class="{kind}"><rect x="{x}" y="{y - 42:.1f}" width="{width}" height="84" rx="7" fill="#ffffff" '
        f'stroke="{stroke}" stroke-width="{2.5 if narrow else 1.2}"/>'
    ]
    if picture:
        made.append(
            f'<image href="data:image/jpeg;base64,{picture}" x="{left}" y="{y - 36:.1f}" width="{PICTURE[0]}" '
            f'height="{PICTURE[1]}" preserveAspectRatio="xMidYMid slice"/>'
        )
        left += PICTURE[0] + 8
    top = y - 4 - 9 * len(lines)
    made += [_text(left, top + 18 * n, line, INK, weight=600) for n, line in enumerate(lines)]
    made.append(_text(left, top + 18 * len(lines) + 3, words, SOFT, size=13))
    return "".join([*made, "</g>"])


def _person(x: float, y: float, name: str, colour: str, kind: str) -> str:
    short = name if len(name) <= 12 else f"{name[:11]}…"
    return (
        f'<g class="{kind}"><circle cx="{x}" cy="{y + 4:.1f}" r="19" fill="#ffffff"/>'
        f'<circle cx="{x}" cy="{y - 5:.1f}" r="7" fill="{colour}"/>'
        f'<path d="M{x - 13} {y + 15:.1f} a13 13 0 0 1 26 0 z" fill="{colour}"/>'
        f"{_text(x, y + 31, short, INK, size=12.5, anchor='middle')}</g>"
    )


def _text(
    x: float, y: float, words: str, colour: str, *, size: float = 14, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
