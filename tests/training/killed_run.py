"""A training run to be killed: argv = run folder, and the epoch after which it waits for that, if it does."""

from __future__ import annotations

import sys
from pathlib import Path

from children import wait_to_be_killed
from triptych.progress import Progress
from triptych.training.fit import fit
from triptych.training.settings import TrainingSettings
from worlds import random_split

if __name__ == "__main__":
    folder, *last = sys.argv[1:]

    def listen(progress: Progress) -> None:
        if progress.stage == "training" and last == [str(progress.done)]:
            wait_to_be_killed()

    training = TrainingSettings(epochs=13, batch_size=16, learning_rate=0.01, patience=13, checkpoint_seconds=0)
    fit("bm3", random_split(), {"embedding_size": 8}, training, run=Path(folder), listener=listen)
