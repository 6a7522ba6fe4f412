"""MODELS: model name -> class. A new model is a file and one line here; see CONTRIBUTING.md."""

from __future__ import annotations

from triptych.errors import SettingsError, did_you_mean
from triptych.models.bm3 import BM3
from triptych.models.bpr import BPR
from triptych.models.content_ease import ContentEASE
from triptych.models.ease import EASE
from triptych.models.freedom import FREEDOM
from triptych.models.grcn import GRCN
from triptych.models.item_knn import ItemKNN
from triptych.models.lightgcn import LightGCN
from triptych.models.mmgcn import MMGCN
from triptych.models.model import ClosedFormModel, TrainedModel
from triptych.models.popularity import Popularity
from triptych.models.random_order import RandomOrder
from triptych.models.vbpr import VBPR

MODELS: dict[str, type[TrainedModel] | type[ClosedFormModel]] = {
    "bm3": BM3,
    "grcn": GRCN,
    "mmgcn": MMGCN,
    "freedom": FREEDOM,
    "vbpr": VBPR,
    "lightgcn": LightGCN,
    "bpr": BPR,
    "content-ease": ContentEASE,
    "ease": EASE,
    "item-knn": ItemKNN,
    "popularity": Popularity,
    "random": RandomOrder,
}


def model_class(name: str) -> type[TrainedModel] | type[ClosedFormModel]:
    """Return the class of a model. Raises SettingsError, with a suggestion, on an unknown name."""
    if name not in MODELS:
        raise SettingsError(f'unknown model "{name}"', hint=did_you_mean(name, MODELS))
    return MODELS[name]
