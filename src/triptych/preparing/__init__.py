"""Prepare a data set from files or frames: read, clean, align, split. The command line and Python share this code."""

from triptych.data.formats.features import FeatureSource
from triptych.preparing.extend_dataset import extend_dataset
from triptych.preparing.prepare import dataset_from_frames, prepare
from triptych.preparing.settings import PrepareSettings

__all__ = ["FeatureSource", "PrepareSettings", "dataset_from_frames", "extend_dataset", "prepare"]
