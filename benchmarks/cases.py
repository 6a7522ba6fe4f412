"""What is measured: models with the settings of both sides, what public research code needs, and what we promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Research:
    """What the leading public research code needs per step at full scale on two cores with AVX-512."""

    seconds: float
    gigabytes: float


@dataclass(frozen=True)
class Goal:
    """At least so many times faster than the textbook version, with less resident memory than this."""

    ratio: float
    gigabytes: float
    native_bfloat16_ratio: float | None = None

    def ratio_on(self, native_bfloat16: bool) -> float:
        """The ratio asked for on a machine with or without bfloat16 products of its own."""
        return self.native_bfloat16_ratio if native_bfloat16 and self.native_bfloat16_ratio else self.ratio


@dataclass(frozen=True)
class Case:
    """One row of the table. Settings that are not given are our model's defaults, on both sides."""

    name: str
    title: str
    model: str
    both: Mapping[str, object] = field(default_factory=dict)
    textbook: Mapping[str, object] = field(default_factory=dict)
    ours: Mapping[str, object] = field(default_factory=dict)
    research: Research | None = None
    goal: Goal | None = None

    def values(self, side: str) -> dict[str, object]:
        """The settings of a side."""
        return {**self.both, **(self.textbook if side == "textbook" else self.ours)}


TRAINED, RESIDUAL, FROZEN = ({"features": form} for form in ("trained", "residual", "frozen"))

CASES = (
    Case(
        "lightgcn",
        "LightGCN, 3 layers",
        "lightgcn",
        both={"n_layers": 3},
        research=Research(1.57, 1.2),
        goal=Goal(25, 0.8),
    ),
    Case(
        "bm3",
        "BM3, 1 layer (features trained / residual)",
        "bm3",
        both={"n_layers": 1},
        textbook=TRAINED,
        ours=RESIDUAL,
        research=Research(4.68, 7.4),
        goal=Goal(50, 1.5),
    ),
    Case(
        "bm3-2",
        "BM3, 2 layers (features trained / residual)",
        "bm3",
        both={"n_layers": 2},
        textbook=TRAINED,
        ours=RESIDUAL,
    ),
    Case("bm3-frozen", "BM3, 1 layer (features frozen / frozen)", "bm3", both={"n_layers": 1, **FROZEN}),
    Case("grcn", "GRCN", "grcn", research=Research(28.0, 13.1), goal=Goal(40, 3.0)),
    Case("mmgcn", "MMGCN", "mmgcn", research=Research(39.1, 10.6), goal=Goal(15, 4.0, native_bfloat16_ratio=20)),
    Case("freedom", "FREEDOM", "freedom"),
    Case("vbpr", "VBPR", "vbpr"),
    Case("bpr", "BPR-MF", "bpr"),
)

RANKING_GOAL = 2.0  # times faster than faiss' flat index
PREPARE_GOAL = 2.0  # times the copy of the features, at most
CONTEST_GOAL = (3600.0, 3.0)  # seconds end to end, gigabytes
FAISS_RESEARCH = 17.7  # seconds, unmasked, on the machine of the research figures
