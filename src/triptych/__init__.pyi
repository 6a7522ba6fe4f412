"""The public API: every name once. `__init__.py` imports it on first access, and type checkers read it."""

from .bars import quiet as quiet
from .data.dataset import Dataset as Dataset
from .data.dataset import open_dataset as open_dataset
from .data.features import Features as Features
from .data.formats.given_lists import ListForm as ListForm
from .data.interactions import Interactions as Interactions
from .data.recommendation_files import OutputForm as OutputForm
from .data.recommendation_files import write_recommendations as write_recommendations
from .data.recommendations import Recommendations as Recommendations
from .data.split import Split as Split
from .data.split import split as split
from .errors import TriptychError as TriptychError
from .explaining.explainer import Explainer as Explainer
from .explaining.explainer import explain as explain
from .explaining.explanation import Explanation as Explanation
from .explaining.item_display import ItemDisplay as ItemDisplay
from .exporting.export import ExportReport as ExportReport
from .exporting.export import export as export
from .models.catalogue import ModelInfo as ModelInfo
from .models.catalogue import list_models as list_models
from .models.model import Batch as Batch
from .models.model import ClosedFormModel as ClosedFormModel
from .models.model import TrainedModel as TrainedModel
from .preparing import (
    FeatureSource as FeatureSource,
)
from .preparing import (
    PrepareSettings as PrepareSettings,
)
from .preparing import (
    dataset_from_frames as dataset_from_frames,
)
from .preparing import (
    extend_dataset as extend_dataset,
)
from .preparing import (
    prepare as prepare,
)
from .progress import Listener as Listener
from .progress import Progress as Progress
from .progress import ignore_progress as ignore_progress
from .ranking.evaluate import Report as Report
from .ranking.metrics import Hits as Hits
from .ranking.metrics import Metric as Metric
from .ranking.outside_scores import recommender_from_scores as recommender_from_scores
from .ranking.own_scorer import evaluate as evaluate
from .ranking.protocol import EvaluationProtocol as EvaluationProtocol
from .ranking.recommender import Recommender as Recommender
from .ranking.recommender_folder import open_recommender as open_recommender
from .ranking.reranking import Calibration as Calibration
from .ranking.reranking import Diversity as Diversity
from .ranking.reranking import Quota as Quota
from .ranking.score_lists import ListsReport as ListsReport
from .ranking.score_lists import score_lists as score_lists
from .ranking.scorer import Factors as Factors
from .ranking.scorer import ItemWeights as ItemWeights
from .ranking.scorer import Scorer as Scorer
from .settings import Choices as Choices
from .settings import LogRange as LogRange
from .studies.refit import refit as refit
from .training.callbacks import Epoch as Epoch
from .training.cold_items import add_items as add_items
from .training.fit import fit as fit
from .training.settings import TrainingSettings as TrainingSettings

__version__: str
