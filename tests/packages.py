"""Other people's packages for tests: a module and the metadata of an installed distribution, in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SOURCE = '''
"""Models and metrics of another package."""
from dataclasses import dataclass

import torch
from torch import nn

import triptych


class Recent(triptych.ClosedFormModel):
    """Recent: popularity with an exponent."""

    @dataclass(frozen=True)
    class Settings:
        power: float = 0.5

    search = {"power": triptych.Choices((0.0, 0.5, 1.0))}

    def solve(self, dataset, listener=None):
        degrees = torch.from_numpy(dataset.interactions.item_degrees).float() ** self.settings.power
        return triptych.Factors(torch.ones(dataset.n_users, 1), degrees[:, None])


class Shifted(triptych.TrainedModel):
    """Shifted: matrix factorisation that uses one content modality."""

    needs_features = True

    def __init__(self, dataset, settings, generator):
        super().__init__(dataset, settings, generator)
        table = next(iter(dataset.features.values())).table
        self.register_buffer("content", torch.tensor(table).float(), persistent=False)
        self.user_embedding = nn.Parameter(torch.randn(dataset.n_users, 4, generator=generator))
        self.item_embedding = nn.Parameter(torch.randn(dataset.n_items, 4, generator=generator))
        self.projection = nn.Parameter(torch.randn(self.content.shape[1], 4, generator=generator))
        self.scale = nn.Parameter(torch.ones(()))

    def items(self):
        return self.item_embedding + self.scale * self.content @ self.projection

    def loss(self, batch, generator):
        users, items = self.user_embedding[batch.users], self.items()
        positive = (users * items[batch.positives]).sum(-1)
        negative = (users * items[batch.negatives]).sum(-1)
        return {"bpr": -nn.functional.logsigmoid(positive - negative).mean()}

    def factors(self):
        return triptych.Factors(self.user_embedding.detach(), self.items().detach())


def first(at):
    """1 if the first item is relevant."""
    return at.hits[:, 0].astype(float)


NUMBER = 1
'''


def install(
    folder: Path,
    name: str = "shop_models",
    source: str = SOURCE,
    *,
    models: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
) -> Path:
    """Write a package that registers entry points, name -> object of its module. Returns the folder for the path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
    lines = []
    for group, entries in (("triptych.models", models or {}), ("triptych.metrics", metrics or {})):
        lines += [f"[{group}]", *(f"{key} = {name}:{value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
