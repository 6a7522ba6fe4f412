"""The measured models: settings of both sides, figures of public research code, and goals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ResearchCode:
    """Cost per step of the leading public research code, at full scale on two cores with AVX-512."""

    seconds: float
    gigabytes: float


@dataclass(frozen=True)
class Goal:
    """The minimum speed-up over the textbook version, and the maximum resident memory."""

    speedup: float
    gigabytes: float
    native_bfloat16_speedup: float | None = None

    def speedup_on(self, native_bfloat16: bool) -> float:
        """The minimum speed-up on a machine with or without native bfloat16 products."""
        return self.native_bfloat16_speedup if native_bfloat16 and self.native_bfloat16_speedup else self.speedup


@dataclass(frozen=True)
class Case:
    """One row of the table. Settings that are not given have the defaults of Triptych's model, on both sides."""

    name: str
    title: str
    model: str
    shared: Mapping[str, object] = field(default_factory=dict)
    textbook: Mapping[str, object] = field(default_factory=dict)
    triptych: Mapping[str, object] = field(default_factory=dict)
    research: ResearchCode | None = None
    goal: Goal | None = None

    def settings(self, side: str) -> dict[str, object]:
        """The settings of one side."""
        return {**self.shared, **(self.textbook if side == "textbook" else self.triptych)}


TRAINED, RESIDUAL, FROZEN = ({"features": value} for value in ("trained", "residual", "frozen"))

CASES = (
    Case(
        "lightgcn",
        "LightGCN, 3 layers",
        "lightgcn",
        shared={"n_layers": 3},
        research=ResearchCode(1.57, 1.2),
        goal=Goal(25, 0.8),
    ),
    Case(
        "bm3",
        "BM3, 1 layer (features trained / residual)",
        "bm3",
        shared={"n_layers": 1},
        textbook=TRAINED,
        triptych=RESIDUAL,
        research=ResearchCode(4.68, 7.4),
        goal=Goal(50, 1.5),
    ),
    Case(
        "bm3-2",
        "BM3, 2 layers (features trained / residual)",
        "bm3",
        shared={"n_layers": 2},
        textbook=TRAINED,
        triptych=RESIDUAL,
    ),
    Case("bm3-frozen", "BM3, 1 layer (features frozen / frozen)", "bm3", shared={"n_layers": 1, **FROZEN}),
    Case("grcn", "GRCN", "grcn", research=ResearchCode(28.0, 13.1), goal=Goal(40, 3.0)),
    Case("mmgcn", "MMGCN", "mmgcn", research=ResearchCode(39.1, 10.6), goal=Goal(15, 4.0, native_bfloat16_speedup=20)),
    Case("freedom", "FREEDOM", "freedom"),
    Case("vbpr", "VBPR", "vbpr"),
    Case("bpr", "BPR-MF", "bpr"),
)

RANKING_GOAL = 2.0  # minimum speed-up over the flat index of faiss
PREPARE_GOAL = 2.0  # maximum time of `prepare`, in copies of the feature files
END_TO_END_GOAL = (3600.0, 3.0)  # maximum seconds, maximum gigabytes
