"""The folder of a recommender: opened here, written by `Recommender.save`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from triptych.artefacts import MANIFEST, OpenFolder, read_folder
from triptych.bars import shows_progress
from triptych.data.dataset import read_tables
from triptych.data.split import Split
from triptych.data.stored import ID_TYPES, checked_file
from triptych.errors import ArtefactError, location
from triptych.progress import Listener, automatic_progress
from triptych.ranking.description import check_description, description_of_format_1
from triptych.ranking.fallback import check_user_table
from triptych.ranking.recommender import KIND, Recommender
from triptych.ranking.scorer import Blend
from triptych.ranking.stored import read_parameters, read_scorer

RUN, MODEL = "run.json", "model"  # in a run folder: its description, and the recommender once training is finished


@shows_progress
def open_recommender(path: Path | str, listener: Listener = automatic_progress) -> Recommender:
    """Open the recommender in a folder of `Recommender.save` or `triptych train`.

    Every file is compared with its checksum, once per process. Raises ArtefactError if the folder is missing, damaged
    or of another kind, or if it is a run whose training is unfinished.
    """
    path = Path(path)
    if (path / MANIFEST).is_file() or not ((path / MODEL).is_dir() or (path / RUN).is_file()):
        return read_folder(path, KIND, _read_recommender, listener)
    try:
        return read_folder(path / MODEL, KIND, _read_recommender, listener)
    except ArtefactError:
        if (path / MODEL).exists():
            raise
        raise ArtefactError(
            "training is unfinished", where=location(path), hint="run the same command again to finish it"
        ) from None


def _read_recommender(folder: OpenFolder) -> Recommender:
    dataset = read_tables(folder)
    if "seen" in folder.manifest.about:
        dataset = replace(dataset, about={"seen": folder.manifest.about["seen"]})
    with checked_file(folder, "interactions.parquet"):
        train = Split.from_dataset(dataset).train.interactions
    with checked_file(folder, "users.parquet"):
        check_user_table(dataset.user_table)
    scorer = read_scorer(folder, train)
    about = {name: value for name, value in folder.manifest.about.items() if name != ID_TYPES}
    about = about if folder.manifest.version > 1 else description_of_format_1(about)
    n_models = len(scorer.scorers) if isinstance(scorer, Blend) else 0
    with checked_file(folder, MANIFEST):
        check_description(about, n_models)
    return Recommender(scorer, dataset, read_parameters(folder), about)
