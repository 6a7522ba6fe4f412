"""Points of the scaling curves. One size changes at a time, the others stay: `python -m benchmarks --only scaling`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.inputs import training_sizes

MODELS = ("lightgcn", "bm3")
FACTORS = (0.25, 0.5, 1.0, 2.0)
BATCH_SIZES = (512, 2048, 8192, 32768)
STEPS, SECONDS = 12, 20.0


@dataclass(frozen=True)
class Point:
    """One point. changed: "users", "items", "edges", "batch size" or "threads". options: arguments that set `value`."""

    model: str
    changed: str
    value: int
    options: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.model}/{self.changed}/{self.value}"


def points(share: float, batch_size: int, threads: int, cores: int) -> Iterator[Point]:
    """Yield all points around a share of the full scale."""
    sizes = training_sizes(share)
    defaults = {"--batch-size": batch_size, "--threads": threads}
    for model in MODELS:
        for changed, option, base in (
            ("users", "--users", sizes.n_users),
            ("items", "--items", sizes.n_items),
            ("edges", "--interactions", sizes.n_interactions),
        ):
            for factor in FACTORS:
                value = int(base * factor)
                yield Point(model, changed, value, _arguments({option: value, **defaults}))
        for value in BATCH_SIZES:
            yield Point(model, "batch size", value, _arguments({**defaults, "--batch-size": value}))
        for value in sorted({1, *(2**power for power in range(1, 8) if 2**power <= cores), cores}):
            yield Point(model, "threads", value, _arguments({**defaults, "--threads": value}))


def _arguments(options: dict[str, int]) -> tuple[str, ...]:
    return tuple(word for name, value in options.items() for word in (name, str(value)))
