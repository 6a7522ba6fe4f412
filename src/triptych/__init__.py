"""Triptych: graph-based multimodal recommendation. Image, text and metadata: three panels, one picture.

The public names are loaded when first touched, so that importing is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.data.dataset import Dataset, open_dataset
    from triptych.data.features import Features
    from triptych.data.interactions import Interactions
    from triptych.data.recommendations import Recommendations, write_recommendations
    from triptych.data.split import Split, split
    from triptych.errors import TriptychError
    from triptych.explaining.explainer import Explainer, explain
    from triptych.explaining.explanation import Explanation
    from triptych.preparing import FeatureSource, PrepareSettings, add_items, dataset_of_frames, prepare
    from triptych.ranking.evaluate import Report
    from triptych.ranking.recommender import Recommender, open_recommender
    from triptych.training.fit import fit
    from triptych.training.settings import TrainingSettings
    from triptych.training.welcome import welcome

__version__ = "0.1.0"

HOMES = {
    "Dataset": "data.dataset",
    "Explainer": "explaining.explainer",
    "Explanation": "explaining.explanation",
    "FeatureSource": "preparing",
    "Features": "data.features",
    "Interactions": "data.interactions",
    "PrepareSettings": "preparing",
    "Recommendations": "data.recommendations",
    "Recommender": "ranking.recommender",
    "Report": "ranking.evaluate",
    "Split": "data.split",
    "TrainingSettings": "training.settings",
    "TriptychError": "errors",
    "add_items": "preparing",
    "dataset_of_frames": "preparing",
    "explain": "explaining.explainer",
    "fit": "training.fit",
    "open_dataset": "data.dataset",
    "open_recommender": "ranking.recommender",
    "prepare": "preparing",
    "split": "data.split",
    "welcome": "training.welcome",
    "write_recommendations": "data.recommendations",
}

__all__ = [
    "Dataset",
    "Explainer",
    "Explanation",
    "FeatureSource",
    "Features",
    "Interactions",
    "PrepareSettings",
    "Recommendations",
    "Recommender",
    "Report",
    "Split",
    "TrainingSettings",
    "TriptychError",
    "add_items",
    "dataset_of_frames",
    "explain",
    "fit",
    "open_dataset",
    "open_recommender",
    "prepare",
    "split",
    "welcome",
    "write_recommendations",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'triptych' has no attribute {name!r}")
    return getattr(import_module(f"triptych.{HOMES[name]}"), name)
