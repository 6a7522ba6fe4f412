"""A neighbourhood as a self-contained SVG; the width of a line shows the size of a contribution.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish. Negative contributions are also
dashed, and every number is written out. Equal neighbourhoods give equal bytes.
"""

from __future__ import annotations

import textwrap

from triptych.explaining.explanation import Reason, display_name, positive_shares
from triptych.explaining.neighbourhood import Neighbourhood
from triptych.models.decomposition import COLLABORATIVE
from triptych.texts import escape_xml, printable

BLUE, ORANGE, GREEN, GREY, INK, SOFT = "#0072B2", "#D55E00", "#009E73", "#8a8a94", "#1b1b1f", "#4d4d57"
WIDTH, TOP, ROW_HEIGHT = 1180, 50, 92
CARD_WIDTH, RECOMMENDED_WIDTH, PICTURE = 362, 240, (54, 72)
USER_X, HISTORY_X, USERS_X, ITEM_X = 64, 190, 724, 910  # of the columns: left edges of cards, centres of round nodes
MAX_LINE, MIN_LINE = 13.0, 0.8  # line widths
REST_CHARACTERS = 150  # per line of the text below the drawing

Point = tuple[float, float]


def draw(neighbourhood: Neighbourhood) -> str:
    """Return the drawing as the text of an SVG."""
    explanation, reasons = neighbourhood.explanation, neighbourhood.reasons
    n_more = max(0, len(explanation.reasons) - len(reasons))
    rows = max(len(reasons) + bool(n_more), len(neighbourhood.users), 3)
    middle = TOP + rows * ROW_HEIGHT / 2
    history_y = [_row_centre(n, len(reasons) + bool(n_more), rows) for n in range(len(reasons) + 1)]
    users_y = [_row_centre(n, len(neighbourhood.users), rows) for n in range(len(neighbourhood.users))]
    largest = max((abs(reason.contribution) for reason in reasons), default=0.0) or 1.0
    lines, nodes = [], [_column_headings(neighbourhood)]
    for reason, y, picture in zip(reasons, history_y, neighbourhood.pictures, strict=False):
        lines += _reason_edges(reason, y, middle, largest)
        nodes.append(_card(HISTORY_X, y, reason.title, _reason_text(reason), picture, "item"))
    for a, b in neighbourhood.paths:
        lines.append(_path((HISTORY_X + CARD_WIDTH, history_y[a]), (USERS_X - 20, users_y[b])))
    for y, name in zip(users_y, neighbourhood.users, strict=True):
        lines.append(_path((USERS_X + 20, y), (ITEM_X, middle)))
        nodes.append(_user_node(USERS_X, y, name, GREEN, "other"))
    if n_more:
        y = history_y[len(reasons)]
        shown, total = (sum(each.contribution for each in some) for some in (reasons, explanation.reasons))
        lines.append(_curve((USER_X + 26, middle), (HISTORY_X, y), GREY, 1.3, 'class="others" stroke-dasharray="1 4"'))
        nodes.append(_card(HISTORY_X, y, f"{n_more} other items", f"{total - shown:+.3g} together", None, "more"))
    nodes.append(_user_node(USER_X, middle, explanation.user, BLUE, "user"))
    rank = f", rank {explanation.rank}" if explanation.rank is not None else ""
    score = f"score {explanation.score:.4g}{rank}"
    nodes.append(_card(ITEM_X, middle, explanation.title, score, neighbourhood.pictures[-1], "recommended"))
    bottom = TOP + rows * ROW_HEIGHT
    rest = _rest_text(neighbourhood, bottom)
    return "\n".join(
        [
            *_svg_head(f"Why user {explanation.user} has {explanation.title}", bottom + 34 + 20 * len(rest)),
            *lines,
            *nodes,
            *_legend(bottom),
            *rest,
            "</svg>",
        ]
    )


def _svg_head(title: str, height: float) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="14">',
        f"<title>{escape_xml(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]


def _column_headings(neighbourhood: Neighbourhood) -> str:
    shown, total = len(neighbourhood.users), neighbourhood.n_users
    if shown:
        users = f"like-minded users ({shown} of {total:,})" if total > shown else "like-minded users"
    else:
        users = "no other user has both"
    columns = (
        (USER_X - 34, "user"),
        (HISTORY_X, "history, with contributions"),
        (USERS_X - 90, users),
        (ITEM_X, "recommended"),
    )
    return "".join(_text(x, 30, heading, SOFT, size=14, weight=600) for x, heading in columns)


def _legend(y: float) -> list[str]:
    """The meaning of the lines."""
    entries = (
        (BLUE, "", "raises the score"),
        (ORANGE, "6 4", "lowers the score"),
        (GREEN, "2 3", "by image, text, metadata"),
        (GREY, "", "a path through a user of both"),
    )
    legend, x = [], USER_X - 34.0
    for colour, dash, meaning in entries:
        legend.append(
            f'<line x1="{x}" y1="{y + 15}" x2="{x + 34}" y2="{y + 15}" stroke="{colour}" stroke-width="4" '
            f'stroke-dasharray="{dash}"/>' + _text(x + 42, y + 20, meaning, SOFT, size=13)
        )
        x += 60 + 7.2 * len(meaning)
    return legend


def _rest_text(neighbourhood: Neighbourhood, y: float) -> list[str]:
    """The terms of the score that do not come from an item, below the legend, one element per line."""
    explanation = neighbourhood.explanation
    rest = ", ".join(f"{name} {value:+.3g}" for name, value in explanation.rest.items()) or "none"
    kind = "exact" if explanation.exact else "approximate"
    lines = textwrap.wrap(f"Contributions are {kind}. The rest of the score: {rest}.", REST_CHARACTERS)
    return [_text(USER_X - 34, y + 46 + 20 * n, line, SOFT, size=13) for n, line in enumerate(lines)]


def _reason_text(reason: Reason) -> str:
    shares = [f"{display_name(name)} {100 * share:.0f} %" for name, share in positive_shares(reason.components).items()]
    text = ", ".join(shares[:2]).replace("like-minded users", "like-minded")  # as wide as a card
    return f"{reason.contribution:+.3g}" + (f": {text}" if text else "")


def _row_centre(position: int, count: int, rows: int) -> float:
    """The vertical centre of a node; each column of nodes is centred in the drawing."""
    return TOP + (rows - count) * ROW_HEIGHT / 2 + (position + 0.5) * ROW_HEIGHT


def _reason_edges(reason: Reason, y: float, middle: float, largest: float) -> list[str]:
    """From the user to the item of a reason, and from there to the recommended item if content contributes."""
    edges = [_edge((USER_X + 26, middle), (HISTORY_X, y), reason.contribution / largest, "contribution")]
    content = sum(value for name, value in reason.components.items() if name != COLLABORATIVE)
    if content > 0.02 * largest:
        edges.append(_edge((HISTORY_X + CARD_WIDTH, y), (ITEM_X, middle), content / largest, "content"))
    return edges


def _edge(begin: Point, end: Point, size: float, kind: str) -> str:
    """size: a contribution as a share of the largest one."""
    colour = ORANGE if size < 0 else GREEN if kind == "content" else BLUE
    dash = ' stroke-dasharray="6 4"' if size < 0 else ' stroke-dasharray="2 3"' if kind == "content" else ""
    width = min(MAX_LINE, max(MIN_LINE, MAX_LINE * abs(size)))
    return _curve(begin, end, colour, width, f'class="{kind}" opacity="0.75"{dash}')


def _path(begin: Point, end: Point) -> str:
    return _curve(begin, end, GREY, 1.3, 'class="path" opacity="0.8"')


def _curve(begin: Point, end: Point, colour: str, width: float, attributes: str) -> str:
    (x, y), (to_x, to_y) = begin, end
    half = (x + to_x) / 2
    d = f"M{x:.1f} {y:.1f} C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width:.2f}" {attributes}/>'


def _card(x: float, y: float, title: str, text: str, picture: str | None, kind: str) -> str:
    """An item: its picture, up to two lines of title, and a text."""
    recommended = kind == "recommended"
    width, left = (RECOMMENDED_WIDTH if recommended else CARD_WIDTH), x + 8
    n_characters = (width - 16 - (PICTURE[0] + 8 if picture else 0)) / 8.6  # per line
    lines = textwrap.wrap(printable(title), int(n_characters), max_lines=2, placeholder=" …")
    stroke = BLUE if recommended else "#c9c9d1"
    elements = [
        f'<g class="{kind}"><rect x="{x}" y="{y - 42:.1f}" width="{width}" height="84" rx="7" fill="#ffffff" '
        f'stroke="{stroke}" stroke-width="{2.5 if recommended else 1.2}"/>'
    ]
    if picture:
        elements.append(
            f'<image href="data:image/jpeg;base64,{picture}" x="{left}" y="{y - 36:.1f}" width="{PICTURE[0]}" '
            f'height="{PICTURE[1]}" preserveAspectRatio="xMidYMid slice"/>'
        )
        left += PICTURE[0] + 8
    top = y - 4 - 9 * len(lines)
    elements += [_text(left, top + 18 * n, line, INK, weight=600) for n, line in enumerate(lines)]
    elements.append(_text(left, top + 18 * len(lines) + 3, text, SOFT, size=13))
    return "".join([*elements, "</g>"])


def _user_node(x: float, y: float, name: str, colour: str, kind: str) -> str:
    name = printable(name)
    short = name if len(name) <= 12 else f"{name[:11]}…"
    return (
        f'<g class="{kind}"><circle cx="{x}" cy="{y + 4:.1f}" r="19" fill="#ffffff"/>'
        f'<circle cx="{x}" cy="{y - 5:.1f}" r="7" fill="{colour}"/>'
        f'<path d="M{x - 13} {y + 15:.1f} a13 13 0 0 1 26 0 z" fill="{colour}"/>'
        f"{_text(x, y + 31, short, INK, size=12.5, anchor='middle')}</g>"
    )


def _text(
    x: float, y: float, text: str, colour: str, *, size: float = 14, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape_xml(text)}</text>'
    )
