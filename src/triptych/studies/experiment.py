"""An experiment: which data, which models with which settings and seeds, and what is measured. One TOML file says it.

seeds = [0, 1, 2]
trials = 20                      # of tuning, for every line that says nothing else; 0: settings as they stand

[data.baby]
folder = "data/baby"             # beside this file, as are those of prepare; where absent, `triptych prepare` makes it
prepare = ["$TRIPTYCH_DATA/amazon_baby/interactions.parquet", "--split-column", "split_mmrec"]

[training]                       # of all models
patience = 10

[models.bm3]                     # a line of the table, named as the model, or with model = "bm3"
settings = { n_layers = 1 }
search = { dropout = [0.3, 0.5], reg_weight = "1e-3..1e-1" }   # instead of what `triptych models bm3` lists
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
from triptych.ranking.metrics import parse_metric
from triptych.ranking.protocol import EvaluationProtocol, Exclude, HeldOut, Items
from triptych.settings import Search, parse, read_toml
from triptych.studies.propose import search_space

METRICS = ("ndcg@50", "ndcg@20", "ndcg@10", "recall@50", "recall@20", "recall@10", "precision@50")


@dataclass(frozen=True)
class Source:
    """A data set: its folder, and the arguments of `triptych prepare` that make it where it is absent."""

    folder: Annotated[str, Doc("data set folder")]
    prepare: Annotated[tuple[str, ...], Doc("arguments of triptych prepare that make it")] = ()


@dataclass(frozen=True)
class Entry:
    """A line of the table: a model with settings of its own and of training, fitted once a seed."""

    model: Annotated[str, Doc("which model; empty: the line's own name")] = ""
    settings: Annotated[Mapping[str, Any], Doc("settings of the model and of its training")] = field(
        default_factory=dict
    )
    seeds: Annotated[tuple[int, ...] | None, Doc("its own seeds")] = None
    trials: Annotated[int | None, Interval(ge=0), Doc("its own number of tuning trials")] = None
    search: Annotated[Mapping[str, Any], Doc("what tuning goes through instead of what the model declares")] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
class Experiment:
    """See the module. data and models by the names that the table has."""

    data: Annotated[Mapping[str, Source], Doc("the data sets")]
    models: Annotated[Mapping[str, Entry], Doc("the lines of the table")]
    training: Annotated[Mapping[str, Any], Doc("settings of training of all models")] = field(default_factory=dict)
    seeds: Annotated[tuple[int, ...], Doc("every model is fitted once with each")] = (0,)
    trials: Annotated[int, Interval(ge=0), Doc("of tuning before, on validation; 0: none")] = 0
    split: Annotated[HeldOut, Doc("held-out interactions to measure on")] = "test"
    exclude: Annotated[Exclude, Doc("a user's items that are left out of the ranking")] = "train"
    items: Annotated[Items, Doc("items that are ranked and count: all, warm or cold")] = "all"
    metrics: Annotated[tuple[str, ...], Doc("the first orders the table")] = METRICS
    modalities: Annotated[str | None, Doc("use only these, separated by commas")] = None
    subsets: Annotated[bool, Doc("fit every model of content with every subset of the modalities")] = False

    @property
    def protocol(self) -> EvaluationProtocol:
        """How all runs are evaluated. Raises SettingsError for an unknown value."""
        return EvaluationProtocol(self.split, self.exclude, self.items)

    def seeds_of(self, name: str) -> tuple[int, ...]:
        """The seeds of a line."""
        own = self.models[name].seeds
        return self.seeds if own is None else own

    def trials_of(self, name: str) -> int:
        """How many trials of tuning a line gets."""
        own = self.models[name].trials
        return self.trials if own is None else own

    def model_of(self, name: str) -> str:
        """The model of a line."""
        return self.models[name].model or name

    def search_space(self, name: str) -> Search:
        """What tuning goes through for a line: its own search or its model's, without what its settings fix."""
        return search_space(self.model_of(name), self.settings_of(name), self.models[name].search)

    def settings_of(self, name: str) -> dict[str, Any]:
        """Settings of a line: training's of all but for what the line itself searches, then its own."""
        of_search = self.models[name].search if self.trials_of(name) else {}
        shared = {setting: value for setting, value in self.training.items() if setting not in of_search}
        return {**shared, **self.models[name].settings}


def read_experiment(path: Path) -> Experiment:
    """The experiment in a TOML file; data folders are relative to it, $NAME is taken from the environment.

    Raises SettingsError that names the file, and what is wrong in it.
    """
    table = read_toml(path)
    try:
        for of in ("data", "models", "training"):
            _check_table(table.get(of, {}), of)
        for kind, of in ((Source, "data"), (Entry, "models")):
            for name, values in table.get(of, {}).items():
                _check_table(values, f"{of}.{name}")
                table[of][name] = parse(kind, values, of=f"{of}.{name}")
        table["data"] = {name: _placed(source, path.parent) for name, source in table.get("data", {}).items()}
        return _with_trials(checked(parse(Experiment, {"models": {}, **table}, of="the experiment")))
    except SettingsError as error:
        raise SettingsError(error.what, where=location(path), hint=error.hint) from None


def checked(experiment: Experiment) -> Experiment:
    """The same, if it can be carried out as far as can be told beforehand. Raises SettingsError."""
    if not experiment.data:
        raise SettingsError("no data set is named", hint='write for example [data.shop] and folder = "shop"')
    if not experiment.models:
        raise SettingsError("no model is named", hint="name some, for example lightgcn and bm3")
    _ = experiment.protocol
    if not experiment.metrics:
        raise SettingsError("no metric is named", hint='write for example metrics = ["ndcg@50"]')
    for metric in experiment.metrics:
        parse_metric(metric)
    for name in (*experiment.data, *experiment.models):
        if not re.fullmatch(r"[\w ,=+-][\w .,=+-]*", name):
            raise SettingsError(f'"{name}" names a folder, so it cannot be a name here', hint="use letters and digits")
    for name in experiment.models:
        if "seed" in experiment.settings_of(name) or "seed" in experiment.models[name].search:
            raise SettingsError("seeds are the experiment's, not a setting", hint="write seeds = [0, 1, 2]")
        try:
            experiment.search_space(name)
        except SettingsError as error:
            raise SettingsError(f"{name}: {error.what}", hint=error.hint) from None
        if any(seed < 0 for seed in experiment.seeds_of(name)):
            raise SettingsError(f"a seed of {name} is negative", hint="write for example seeds = [0, 1, 2]")
        if len(set(experiment.seeds_of(name))) != len(experiment.seeds_of(name)) or not experiment.seeds_of(name):
            raise SettingsError(
                f"the seeds of {name} are none, or one twice", hint="write for example seeds = [0, 1, 2]"
            )
    return experiment


def _with_trials(experiment: Experiment) -> Experiment:
    """The same, if whatever has a search has trials: a file that lacks them forgot them."""
    for name, entry in experiment.models.items():
        if entry.search and not experiment.trials_of(name):
            raise SettingsError(f"the search of {name} has no trials", hint="write for example trials = 8")
    return experiment


def _check_table(values: object, name: str) -> None:
    if not isinstance(values, dict):
        raise SettingsError(f"{name} is no table", hint=f"write [{name}] above its settings, each NAME = VALUE")


def _placed(source: Source, folder: Path) -> Source:
    """The folder beside the file, and the environment's names replaced in all of it."""
    where = folder / _expanded(source.folder)
    return Source(str(where), tuple(_expanded(word) for word in source.prepare))


def _expanded(text: str) -> str:
    """With what the environment says; a path of several parts in it is relative to where the command runs."""

    def value(name: re.Match[str]) -> str:
        of = name[1] or name[2]
        if of not in os.environ:
            raise SettingsError(f'"{text}" needs {of}, which the environment lacks', hint=f"export {of}=…")
        given = os.environ[of]
        return str(Path(given).absolute()) if "/" in given or given in (".", "..") else given

    expanded = re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, text)
    if "${" in expanded:
        raise SettingsError(f'"{text}" holds a name that cannot be read', hint="write $NAME or ${NAME}")
    return expanded
