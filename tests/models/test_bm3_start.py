"""BM3 started from content: items alike start alike, and lengths stay Xavier's."""

from __future__ import annotations

from dataclasses import replace

import torch

from triptych.models.bm3 import BM3
from worlds import random_dataset


def test_items_with_the_same_features_start_at_the_same_place() -> None:
    dataset = random_dataset(modalities=("image",))
    image = dataset.features["image"]
    table = image.table.copy()
    table[5] = table[4]
    dataset = replace(dataset, features={"image": replace(image, table=table)})
    settings = BM3.Settings(embedding_size=16, start="content")
    model = BM3(dataset, settings, torch.Generator().manual_seed(0))
    plain = BM3(dataset, replace(settings, start="random"), torch.Generator().manual_seed(0))
    assert torch.allclose(model.item_embedding[4], model.item_embedding[5])
    assert torch.equal(model.item_embedding[0], plain.item_embedding[0])  # item 0 lacks the picture
    lengths = model.item_embedding[1:].norm(dim=1)
    assert torch.allclose(lengths, plain.item_embedding.norm(dim=1).mean().expand_as(lengths))
    assert not torch.allclose(model.user_embedding, plain.user_embedding)
