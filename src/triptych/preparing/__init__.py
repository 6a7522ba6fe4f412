"""Files or frames -> a data set: read, clean, align, split. The shell and Python share this one walk."""

from triptych.data.formats.features import FeatureSource
from triptych.preparing.add_items import add_items
from triptych.preparing.prepare import dataset_of_frames, prepare
from triptych.preparing.settings import PrepareSettings

__all__ = ["FeatureSource", "PrepareSettings", "add_items", "dataset_of_frames", "prepare"]
