"""A training run to be killed: argv = run folder."""

from __future__ import annotations

import sys
from pathlib import Path

from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

if __name__ == "__main__":
    training = TrainingSettings(epochs=25, batch_size=16, learning_rate=0.01, patience=25, checkpoint_seconds=0)
    fit("bm3", random_split(), {"embedding_size": 8}, training, run=Path(sys.argv[1]))
