"""Settings of `prepare`, each with its default and meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Interval
from typing_extensions import Doc

from triptych.content.metadata import MAX_VALUES
from triptych.data.cleaning import Nulls, UnknownItems
from triptych.data.formats.alignment import ZeroRows
from triptych.data.formats.item_rows import DuplicateItems
from triptych.data.formats.reading import Columns, MissingTimes, Quotes, Reading
from triptych.data.formats.registry import FORMAT_CHOICES
from triptych.data.ratings import NegativeRatings
from triptych.data.row_splits import exact_share
from triptych.data.split_codes import Seen
from triptych.data.weights import Weighting, WeightTransform, parse_event_weights, parse_half_life
from triptych.errors import SettingsError, argument
from triptych.settings import ShownAs, checked

FILES, COLUMNS, METADATA, FEATURES, CLEANING, WEIGHTS, SPLIT = (  # the panels of the help page of `triptych prepare`
    "Files",
    "Columns",
    "Metadata columns",
    "Features",
    "Cleaning",
    "Weights",
    "Split",
)
_COLUMN = ShownAs(COLUMNS, "COLUMN")


@dataclass(frozen=True)
@checked
class PrepareSettings:
    """Settings of `prepare`; each is an option of the command line too, with the same meaning.

    Column names: "" guesses by the usual names, "-" means that there is no such column.
    """

    query: Annotated[
        str, Doc("SELECT statement of a LOG in a database; its rows are the log."), ShownAs(FILES, "SQL")
    ] = ""
    format: Annotated[str, Doc(f"Format of LOG: {FORMAT_CHOICES}."), ShownAs(FILES, "FORMAT")] = "auto"
    encoding: Annotated[
        str,
        Doc("Encoding of all text files, as cp949, latin-1 or utf-16 [default: by the byte-order mark, else UTF-8]."),
        ShownAs(FILES, "NAME"),
    ] = ""
    quotes: Annotated[
        Quotes,
        Doc(
            "Whether double quotes enclose fields: auto (in tab-separated files only if the header has them, in others "
            "as in CSV), none or csv."
        ),
        ShownAs(FILES, "CHOICE"),
    ] = "auto"
    no_header: Annotated[bool, Doc("LOG has no header; `columns` names its columns."), ShownAs(FILES, "")] = False
    columns: Annotated[
        str,
        Doc("Names of the columns of a LOG without a header, as user,item,rating,time; - for a column without use."),
        ShownAs(COLUMNS, "NAMES"),
    ] = ""
    item_columns: Annotated[
        str, Doc("Names of the columns of an item table without a header, as item_id,title."), ShownAs(COLUMNS, "NAMES")
    ] = ""
    user_column: Annotated[str, Doc("User ids in the log [default: guessed]."), _COLUMN] = ""
    item_column: Annotated[str, Doc("Item ids in the log [default: guessed]."), _COLUMN] = ""
    rating_column: Annotated[str, Doc("Ratings in the log, '-' for none [default: guessed]."), _COLUMN] = ""
    time_column: Annotated[
        str, Doc("Times in the log, in seconds or ISO 8601, '-' for none [default: guessed]."), _COLUMN
    ] = ""
    time_format: Annotated[
        str, Doc("Format of the times, as %d/%m/%Y [default: seconds or ISO 8601]."), ShownAs(COLUMNS, "FORMAT")
    ] = ""
    item_separator: Annotated[
        str,
        Doc("What separates the items where a row of the log has several, as ' '."),
        ShownAs(COLUMNS, "SEP"),
    ] = ""
    weight_column: Annotated[
        str, Doc("Weights in the log: counts, durations, or any numbers of 0 or more."), _COLUMN
    ] = ""
    event_column: Annotated[
        str, Doc("Types of events in the log, as view, cart and buy, '-' for none [default: guessed]."), _COLUMN
    ] = ""
    split_column: Annotated[
        str, Doc("Split in the log: train, validation, test, or 0, 1, 2 [default: guessed]."), _COLUMN
    ] = ""
    item_id_column: Annotated[str, Doc("Ids in the item table [default: guessed]."), _COLUMN] = ""
    user_id_column: Annotated[str, Doc("Ids in the user table [default: guessed]."), _COLUMN] = ""
    categorical: Annotated[tuple[str, ...], Doc("Item column of one value per item."), ShownAs(METADATA, "COLUMN")] = ()
    multi: Annotated[
        tuple[str, ...],
        Doc("Item column of several values per item: lists, or texts of values separated by SEP."),
        ShownAs(METADATA, "COLUMN[=SEP]"),
    ] = ()
    numeric: Annotated[tuple[str, ...], Doc("Item column of numbers."), ShownAs(METADATA, "COLUMN")] = ()
    user_categorical: Annotated[
        tuple[str, ...], Doc("User column of one value per user."), ShownAs(METADATA, "COLUMN")
    ] = ()
    user_multi: Annotated[
        tuple[str, ...], Doc("User column of several values per user, as `multi`."), ShownAs(METADATA, "COLUMN[=SEP]")
    ] = ()
    user_numeric: Annotated[tuple[str, ...], Doc("User column of numbers."), ShownAs(METADATA, "COLUMN")] = ()
    max_values: Annotated[
        int,
        Interval(ge=1),
        Doc("Values of a column that are features: the most frequent ones."),
        ShownAs(METADATA, "N"),
    ] = MAX_VALUES
    zero_rows: Annotated[
        ZeroRows,
        Doc("Feature rows of zeros: missing (the item lacks the modality) or keep."),
        ShownAs(FEATURES, "CHOICE"),
    ] = "missing"
    drop_modality: Annotated[
        tuple[str, ...],
        Doc(
            "Remove a modality from a random share of the items, to study missing modalities. A larger share includes "
            "the items of a smaller one. Several modalities are removed from the same items."
        ),
        ShownAs(FEATURES, "MODALITY=SHARE"),
    ] = ()
    store: Annotated[
        Literal["same", "float16", "float32"],
        Doc("Stored precision: same (float64 becomes float32), float16 or float32."),
        ShownAs(FEATURES, "DTYPE"),
    ] = "same"
    min_rating: Annotated[float | None, Doc("Drop interactions with a lower rating."), ShownAs(CLEANING, "RATING")] = (
        None
    )
    negative_ratings: Annotated[
        NegativeRatings,
        Doc("Ratings that say no (below 0; 0 too if none is above 1), without `min_rating`: drop or keep."),
        ShownAs(CLEANING, "CHOICE"),
    ] = "drop"
    weights: Annotated[
        str,
        Doc("Weights of event types, as buy=5,view=1; 0 leaves a type out, and 'other' stands for all others."),
        ShownAs(WEIGHTS, "TYPE=W,..."),
    ] = ""
    weight_transform: Annotated[
        WeightTransform,
        Doc("What becomes of the weight column: none, or log, which is ln(1 + w) and suits counts and durations."),
        ShownAs(WEIGHTS, "CHOICE"),
    ] = "none"
    half_life: Annotated[
        str,
        Doc("Time after which an interaction counts half, from the newest one backwards, as 90d (units s m h d w y)."),
        ShownAs(WEIGHTS, "TIME"),
    ] = ""
    nulls: Annotated[Nulls, Doc("Rows without an id: error or drop."), ShownAs(CLEANING, "CHOICE")] = "error"
    missing_times: Annotated[
        MissingTimes,
        Doc("Rows without a time: error, drop, or ignore (use no times at all)."),
        ShownAs(CLEANING, "CHOICE"),
    ] = "error"
    unknown_items: Annotated[
        UnknownItems,
        Doc("Items that are not in the item table: error, drop, or keep (without content)."),
        ShownAs(CLEANING, "CHOICE"),
    ] = "error"
    duplicate_items: Annotated[
        DuplicateItems,
        Doc(
            "Rows of one item that differ: error, first, last, or lists (all values of a column, as in tables with one "
            "row per item and value)."
        ),
        ShownAs(CLEANING, "CHOICE"),
    ] = "error"
    k_core: Annotated[
        int, Interval(ge=0), Doc("Keep only users and items with at least K interactions."), ShownAs(CLEANING, "K")
    ] = 0
    split: Annotated[
        Literal["auto", "ratio", "leave-one-out", "time", "cold-items", "cold-users", "given"],
        Doc(
            "auto, ratio, leave-one-out, time, cold-items, cold-users or given. auto: given if there is a split "
            "column, otherwise ratio."
        ),
        ShownAs(SPLIT, "METHOD"),
    ] = "auto"
    train: Annotated[
        float, Interval(gt=0, le=1), Doc("Training share, for all splits by shares."), ShownAs(SPLIT, "SHARE")
    ] = 0.8
    validation: Annotated[
        float | None,
        Interval(ge=0, lt=1),
        Doc("Validation share [default: 0.1, or what train leaves]. The rest is for test."),
        ShownAs(SPLIT, "SHARE"),
    ] = None
    validation_file: Annotated[
        str, Doc("Validation interactions, if LOG has the training interactions only."), ShownAs(SPLIT, "FILE")
    ] = ""
    test_file: Annotated[
        str,
        Doc("Test interactions, if LOG has the others. Without `validation_file`, validation is taken from LOG."),
        ShownAs(SPLIT, "FILE"),
    ] = ""
    seen: Annotated[
        Seen,
        Doc(
            "Held-out pairs that are in train too: drop (they count for train), or keep (people buy again: they are "
            "measured, and lists may have items of the history)."
        ),
        ShownAs(SPLIT, "CHOICE"),
    ] = "drop"
    seed: Annotated[int, Interval(ge=0), Doc("Seed of random splits and `drop_modality`."), ShownAs(SPLIT, "SEED")] = 0

    def __post_init__(self) -> None:
        _ = self.weighting  # checks the texts
        if self.columns and not self.no_header:
            hint = "else name columns with `user_column`, `item_column`, …"
            hint = f"pass {argument(no_header=True)} too if the file has none; {hint}"
            raise SettingsError("`columns` names the columns of a file without a header", hint=hint)
        if self.no_header and not self.columns:
            hint = f"for example {argument(columns='user,item,rating,time')}, in the order of the file"
            raise SettingsError(f"{argument(no_header=True)} needs the names of the columns", hint=hint)
        if exact_share(self.train) + exact_share(self.validation_share) > 1:
            raise SettingsError("train and validation shares add up to more than 1", hint="for example 0.8 and 0.1")

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of train, validation and test; test has what is left of 1, exactly."""
        rest = 1 - exact_share(self.train) - exact_share(self.validation_share)
        return self.train, self.validation_share, float(rest)

    @property
    def validation_share(self) -> float:
        """The share of validation: the given one, or 0.1, or what train leaves."""
        return min(0.1, float(1 - exact_share(self.train))) if self.validation is None else self.validation

    @property
    def weighting(self) -> Weighting:
        """How interactions are weighed."""
        return Weighting(parse_event_weights(self.weights), parse_half_life(self.half_life), self.weight_transform)

    @property
    def reading(self) -> Reading:
        """How the log is read."""
        columns = Columns(
            self.user_column,
            self.item_column,
            self.rating_column,
            self.time_column,
            self.split_column,
            self.weight_column or "-",
            self.event_column,
        )
        header = tuple(name.strip() for name in self.columns.split(",")) if self.columns else ()
        return Reading(
            columns,
            header,
            self.encoding,
            self.quotes,
            self.item_separator,
            self.time_format,
            self.missing_times,
            self.query,
        )

    @property
    def items_reading(self) -> Reading:
        """How item tables are read."""
        header = tuple(name.strip() for name in self.item_columns.split(",")) if self.item_columns else ()
        return replace(self.other_reading, header=header)

    @property
    def other_reading(self) -> Reading:
        """How all other text files are read: user tables, features and files of ids."""
        return Reading(encoding=self.encoding, quotes=self.quotes)
