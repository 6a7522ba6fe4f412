"""Experiments: data sets, models with settings and seeds, and what is measured. An experiment is one TOML file.

seeds = [0, 1, 2]
trials = 20                      # of tuning, for each entry without its own number; 0: use the settings as given

[data.baby]
folder = "data/baby"             # relative to this file, like the paths in prepare
prepare = ["$TRIPTYCH_DATA/amazon_baby/interactions.parquet", "--split-column", "split_mmrec"]
                                 # arguments of `triptych prepare`, which makes the folder if it does not exist

[training]                       # settings of all models
patience = 10

[models.bm3]                     # an entry of the table; its name is the model, unless it has: model = "bm3"
settings = { n_layers = 1 }
search = { dropout = [0.3, 0.5], reg_weight = "1e-3..1e-1" }   # instead of the search space of the model
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval
from typing_extensions import Doc

from triptych.errors import SettingsError, location
from triptych.ranking.item_vectors import MODEL
from triptych.ranking.metrics import parse_metric
from triptych.ranking.protocol import EvaluationProtocol, Exclude, HeldOut, Items, SeenItems, Users
from triptych.ranking.reranking import Diversity
from triptych.settings import SearchSpace, checked, parse, read_toml
from triptych.studies.propose import require_proposals, search_space

METRICS = ("ndcg@50", "ndcg@20", "ndcg@10", "recall@50", "recall@20", "recall@10", "precision@50")
RENAMED = {"part": "split", "mask": "exclude", "among": "items"}  # keys of earlier experiments and comparisons


@dataclass(frozen=True)
@checked
class Source:
    """A data set: its folder, and the arguments of `triptych prepare` that make the folder if it does not exist."""

    folder: Annotated[str, Doc("data set folder")]
    prepare: Annotated[tuple[str, ...], Doc("arguments of triptych prepare that make it")] = ()


@dataclass(frozen=True)
@checked
class Entry:
    """One entry of the table: a model with its own settings, fitted once per seed."""

    model: Annotated[str, Doc("model name; empty: the name of the entry")] = ""
    settings: Annotated[Mapping[str, Any], Doc("settings of the model and of its training")] = field(
        default_factory=dict
    )
    seeds: Annotated[tuple[int, ...] | None, Doc("seeds of this entry")] = None
    trials: Annotated[int | None, Interval(ge=0), Doc("tuning trials of this entry")] = None
    search: Annotated[Mapping[str, Any], Doc("search space, instead of that of the model")] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
@checked
class Experiment:
    """An experiment, see the module. data, models: by the names that the table shows."""

    data: Annotated[Mapping[str, Source], Doc("the data sets")]
    models: Annotated[Mapping[str, Entry], Doc("the entries of the table")]
    training: Annotated[Mapping[str, Any], Doc("training settings of all models")] = field(default_factory=dict)
    seeds: Annotated[tuple[int, ...], Doc("every model is fitted once with each of them")] = (0,)
    trials: Annotated[int, Interval(ge=0), Doc("tuning trials per entry, on validation; 0: no tuning")] = 0
    split: Annotated[HeldOut, Doc("held-out interactions to measure on")] = "test"
    exclude: Annotated[Exclude, Doc("a user's items that are left out of the ranking")] = "train"
    items: Annotated[Items, Doc("items that are ranked and count: all, warm or cold")] = "all"
    users: Annotated[Users, Doc("users that are measured: all, warm or cold")] = "all"
    seen: Annotated[SeenItems, Doc("excluded items: drop, keep (nothing is left out), or auto: as prepared")] = "auto"
    metrics: Annotated[tuple[str, ...], Doc("the first one sorts the table and is tested")] = METRICS
    diversity: Annotated[
        tuple[float, ...], Doc("weights of diversity whose trade-off is measured, as 0, 0.3, 0.5")
    ] = ()
    similarity: Annotated[str, Doc("of items, for diversity: model, interactions or a modality")] = MODEL
    modalities: Annotated[str | None, Doc("use only these, separated by commas")] = None
    subsets: Annotated[bool, Doc("also fit every multimodal model with every subset of the modalities")] = False

    @property
    def protocol(self) -> EvaluationProtocol:
        """How all runs are evaluated. Raises SettingsError for an unknown value."""
        return EvaluationProtocol(self.split, self.exclude, self.items, self.seen, self.users)

    def seeds_of(self, entry: str) -> tuple[int, ...]:
        """The seeds of an entry."""
        seeds = self.models[entry].seeds
        return self.seeds if seeds is None else seeds

    def trials_of(self, entry: str) -> int:
        """The number of tuning trials of an entry."""
        trials = self.models[entry].trials
        return self.trials if trials is None else trials

    def model_of(self, entry: str) -> str:
        """The model name of an entry."""
        return self.models[entry].model or entry

    def search_space(self, entry: str) -> SearchSpace:
        """The search space of an entry: its own or that of its model, without the settings that the entry fixes."""
        return search_space(self.model_of(entry), self.settings_of(entry), self.models[entry].search)

    def settings_of(self, entry: str) -> dict[str, Any]:
        """The settings of an entry: the shared ones, without those that the entry itself searches, then its own."""
        searched = self.models[entry].search if self.trials_of(entry) else {}
        shared = {name: value for name, value in self.training.items() if name not in searched}
        return {**shared, **self.models[entry].settings}


def read_experiment(path: Path) -> Experiment:
    """Read an experiment from a TOML file. Data folders are relative to it; $NAME is an environment variable.

    Raises SettingsError with the file and what is wrong in it.
    """
    table = read_toml(path)
    try:
        experiment = _parse_experiment(table, path.parent)
        check_experiment(experiment)
        _check_trials(experiment)
    except SettingsError as error:
        raise SettingsError(error.what, where=location(path), hint=error.hint) from None
    return experiment


def _parse_experiment(table: dict[str, Any], folder: Path) -> Experiment:
    """folder: the folder of the file."""
    for old, new in RENAMED.items():
        if old in table:
            raise SettingsError(f'unknown setting "{old}" of the experiment', hint=f'did you mean "{new}"?')
    for section in ("data", "models", "training"):
        _check_table(table.get(section, {}), section)
    for kind, section in ((Source, "data"), (Entry, "models")):
        for name, values in table.get(section, {}).items():
            _check_table(values, f"{section}.{name}")
            table[section][name] = parse(kind, values, of=f"{section}.{name}")
    table["data"] = {name: _resolve(source, folder) for name, source in table.get("data", {}).items()}
    return parse(Experiment, {"models": {}, **table}, of="the experiment")


def check_experiment(experiment: Experiment) -> None:
    """Check everything that can be checked before data sets are opened. Raises SettingsError."""
    if not experiment.data:
        raise SettingsError("no data set is named", hint='write for example [data.shop] and folder = "shop"')
    if not experiment.models:
        raise SettingsError("no model is named", hint="name some, for example lightgcn and bm3")
    _ = experiment.protocol
    if not experiment.metrics:
        raise SettingsError("no metric is named", hint='write for example metrics = ["ndcg@50"]')
    for metric in experiment.metrics:
        parse_metric(metric)
    for weight in experiment.diversity:
        Diversity(weight, experiment.similarity)
    for name in (*experiment.data, *experiment.models):
        if not re.fullmatch(r"[\w ,=+-][\w .,=+-]*", name):
            raise SettingsError(f'"{name}" cannot be the name of a folder', hint="use letters and digits")
    for name in experiment.models:
        _check_entry(experiment, name)


def _check_entry(experiment: Experiment, name: str) -> None:
    if "seed" in experiment.settings_of(name) or "seed" in experiment.models[name].search:
        raise SettingsError(
            "seeds belong to the experiment and cannot be set per model", hint="write seeds = [0, 1, 2]"
        )
    try:
        space = experiment.search_space(name)
        if space and experiment.trials_of(name):
            require_proposals(space, experiment.trials_of(name))
    except SettingsError as error:
        raise SettingsError(f"{name}: {error.what}", hint=error.hint) from None
    seeds, hint = experiment.seeds_of(name), "write for example seeds = [0, 1, 2]"
    if any(seed < 0 for seed in seeds):
        raise SettingsError(f"a seed of {name} is negative", hint=hint)
    if not seeds:
        raise SettingsError(f"{name} has no seeds", hint=hint)
    if len(set(seeds)) != len(seeds):
        raise SettingsError(f"a seed of {name} is given twice", hint=hint)


def _check_trials(experiment: Experiment) -> None:
    """Raise SettingsError if an entry has a search space but no trials: a file must not ignore a search silently."""
    for name, entry in experiment.models.items():
        if entry.search and not experiment.trials_of(name):
            raise SettingsError(f"the search of {name} has no trials", hint="write for example trials = 8")


def _check_table(values: object, name: str) -> None:
    if not isinstance(values, dict):
        raise SettingsError(f"{name} is not a table", hint=f"write [{name}] above its settings, each NAME = VALUE")


def _resolve(source: Source, folder: Path) -> Source:
    """Return the source with its folder relative to `folder`, and with environment variables replaced."""
    return Source(
        str(folder / _expand_variables(source.folder)), tuple(_expand_variables(text) for text in source.prepare)
    )


def _expand_variables(text: str) -> str:
    """Replace $NAME and ${NAME} by environment variables.

    A value that is a path with several components is relative to the working directory, so it is made absolute.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise SettingsError(f'"{text}" needs the environment variable {name}', hint=f"export {name}=…")
        given = os.environ[name]
        return str(Path(given).absolute()) if "/" in given or given in (".", "..") else given

    expanded = re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text)
    if "${" in expanded:
        raise SettingsError(f'"{text}" has a variable that cannot be read', hint="write $NAME or ${NAME}")
    return expanded
