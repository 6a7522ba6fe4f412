"""BM3 with `start = content`: similar items start at similar embeddings, with Xavier's mean length."""

from __future__ import annotations

from dataclasses import replace

import torch

from triptych.models.bm3 import BM3
from worlds import random_dataset


def test_items_with_equal_features_start_with_equal_embeddings() -> None:
    dataset = random_dataset(modalities=("image",))
    image = dataset.features["image"]
    table = image.table.copy()
    table[5] = table[4]
    dataset = replace(dataset, features={"image": replace(image, table=table)})
    settings = BM3.Settings(embedding_size=16, start="content")
    model = BM3(dataset, settings, torch.Generator().manual_seed(0))
    random_start = BM3(dataset, replace(settings, start="random"), torch.Generator().manual_seed(0))
    assert torch.allclose(model.item_embedding[4], model.item_embedding[5])
    assert torch.equal(model.item_embedding[0], random_start.item_embedding[0])  # item 0 lacks the modality
    lengths = model.item_embedding[1:].norm(dim=1)
    assert torch.allclose(lengths, random_start.item_embedding.norm(dim=1).mean().expand_as(lengths))
    assert not torch.allclose(model.user_embedding, random_start.user_embedding)
