"""Options for re-ranked lists: --diversity, --similarity, --quota and --calibrate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from triptych.errors import SettingsError

if TYPE_CHECKING:
    from triptych.ranking.reranking import Step

RERANKING = "Variety of the lists"

DiversityWeight = Annotated[
    float | None,
    typer.Option(
        "--diversity",
        metavar="WEIGHT",
        rich_help_panel=RERANKING,
        help="Prefer items that are unlike those before them (MMR): from 0, the plain order, to 1.",
    ),
]
SimilarityName = Annotated[
    str | None,
    typer.Option(
        "--similarity",
        metavar="NAME",
        rich_help_panel=RERANKING,
        help="What makes items alike for --diversity: model, or interactions (the same users) [default: model].",
    ),
]
Quotas = Annotated[
    list[str] | None,
    typer.Option(
        "--quota",
        metavar="COLUMN=N",
        rich_help_panel=RERANKING,
        help="At most N items of each value of this column of the item table. Repeatable.",
    ),
]
Calibrations = Annotated[
    list[str] | None,
    typer.Option(
        "--calibrate",
        metavar="BY[=WEIGHT]",
        rich_help_panel=RERANKING,
        help="Divide a list as the user's history is, over popularity (head, middle, tail) or the values of a column; "
        "the weight goes from 0, the plain order, to 1 [default: 0.5]. Repeatable.",
    ),
]


def rerank_steps(
    diversity: float | None, similarity: str | None, quotas: list[str] | None, calibrations: list[str] | None
) -> tuple[Step, ...]:
    """Return what the options ask for. Raises SettingsError for what cannot be read."""
    from triptych.ranking.reranking import Calibration, Diversity, Quota

    steps: list[Step] = []
    if diversity is not None:
        steps.append(Diversity(diversity, similarity or "model"))
    elif similarity is not None:
        raise SettingsError("--similarity needs --diversity", hint="for example --diversity 0.3")
    for text in quotas or ():
        column, equals, number = text.rpartition("=")
        if not equals or not column or not number.strip().isdigit():
            raise SettingsError(f'"{text}" is not COLUMN=N', hint="for example --quota category=3")
        steps.append(Quota(column, int(number)))
    for text in calibrations or ():
        by, equals, number = text.rpartition("=")
        steps.append(Calibration(by, _weight(number, "--calibrate popularity=0.5")) if equals else Calibration(text))
    return tuple(steps)


def parse_weights(text: str) -> tuple[float, ...]:
    """Parse `"0,0.1,0.3"`. Raises SettingsError."""
    return tuple(_weight(each, "--diversity 0,0.1,0.3") for each in text.split(","))


def _weight(text: str, example: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f'"{text}" is not a weight', hint=f"numbers from 0 to 1, for example {example}") from None
