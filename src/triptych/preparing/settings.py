"""Settings of `prepare`, each with its default and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval
from typing_extensions import Doc

from triptych.data.cleaning import Nulls, UnknownItems
from triptych.data.formats.alignment import ZeroRows
from triptych.data.formats.log import Columns
from triptych.data.formats.registry import FORMAT_CHOICES
from triptych.data.split import exact_share
from triptych.errors import SettingsError
from triptych.settings import checked


@dataclass(frozen=True)
@checked
class PrepareSettings:
    """Settings of `prepare`. Column names: "" guesses by the usual names, "-" means that there is no such column."""

    format: Annotated[str, Doc(FORMAT_CHOICES)] = "auto"
    user_column: Annotated[str, Doc("column of user ids")] = ""
    item_column: Annotated[str, Doc("column of item ids in the log")] = ""
    rating_column: Annotated[str, Doc("column of ratings")] = ""
    time_column: Annotated[str, Doc("column of times: seconds or ISO dates")] = ""
    split_column: Annotated[str, Doc("column of the split: train, validation or test (or 0, 1, 2)")] = ""
    item_id_column: Annotated[str, Doc("column of item ids in the item table")] = ""
    min_rating: Annotated[float | None, Doc("drop interactions rated below this")] = None
    nulls: Annotated[Nulls, Doc("rows without a user or item id: error or drop")] = "error"
    unknown_items: Annotated[UnknownItems, Doc("items that the item table lacks: error, drop or keep")] = "error"
    zero_rows: Annotated[ZeroRows, Doc("feature rows of zeros: missing (the item lacks the modality) or keep")] = (
        "missing"
    )
    k_core: Annotated[int, Interval(ge=0), Doc("keep users and items with at least this many interactions")] = 0
    split: Annotated[
        Literal["auto", "ratio", "leave-one-out", "time", "cold-items", "given"],
        Doc("how to split; auto: as given if there is a split column, else by ratio"),
    ] = "auto"
    train: Annotated[float, Interval(gt=0, le=1), Doc("share of train, for ratio, time and cold-items")] = 0.8
    validation: Annotated[float, Interval(ge=0, lt=1), Doc("share of validation; the rest is test")] = 0.1
    seed: Annotated[int, Interval(ge=0), Doc("seed of random splits")] = 0
    store: Annotated[
        Literal["same", "float16", "float32"], Doc("precision of stored features; same: as given, float64 as float32")
    ] = "same"
    categorical: Annotated[tuple[str, ...], Doc("item columns of one value each")] = ()
    multi: Annotated[tuple[str, ...], Doc("item columns of several values, as genres=| with the separator")] = ()
    numeric: Annotated[tuple[str, ...], Doc("item columns of numbers")] = ()

    drop_modality: Annotated[
        tuple[str, ...], Doc("modality=share: drop a modality for a share of the items, to study missing modalities")
    ] = ()

    def __post_init__(self) -> None:
        if self.shares[2] < 0:
            raise SettingsError("train and validation shares add up to more than 1", hint="for example 0.8 and 0.1")

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of train, validation and test; test has what is left of 1, exactly."""
        rest = 1 - exact_share(self.train) - exact_share(self.validation)
        return self.train, self.validation, float(rest)

    @property
    def columns(self) -> Columns:
        """The column names of the log."""
        return Columns(self.user_column, self.item_column, self.rating_column, self.time_column, self.split_column)
