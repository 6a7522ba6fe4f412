"""Files or frames -> a data set: read, clean, align, split. The shell and Python share this one walk."""

from triptych.data.formats.features import FeatureSource
from triptych.preparing.extend_dataset import extend_dataset
from triptych.preparing.prepare import dataset_from_frames, prepare
from triptych.preparing.settings import PrepareSettings

__all__ = ["FeatureSource", "PrepareSettings", "dataset_from_frames", "extend_dataset", "prepare"]
