"""Typed settings from text: parse a table of values into a frozen dataclass, or say "did you mean …?".

A setting is written once, as a field of a frozen dataclass next to the class that uses it: name, type with range,
default and meaning. `checked` makes the class refuse other values, however an instance is made.

    @dataclass(frozen=True)
    @checked
    class Settings:
        n_layers: Annotated[int, Interval(ge=0, le=16), Doc("propagation layers L")] = 2
"""

from __future__ import annotations

import dataclasses
import functools
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from annotated_types import Interval
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from typing_extensions import Doc

from triptych.errors import SettingsError, did_you_mean, location

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Setting:
    """The description of one setting, for help pages. kind: its type and range as text. choices: if it has only few."""

    name: str
    kind: str
    default: object
    meaning: str
    choices: tuple[str, ...] = ()
    required: bool = False
    shown_as: ShownAs | None = None


@dataclasses.dataclass(frozen=True)
class ShownAs:
    """How a command shows a setting as an option: the panel of its help page, and the name of its value."""

    panel: str
    value: str


@dataclasses.dataclass(frozen=True)
class Choices:
    """A search range of discrete values: a trial chooses one of them."""

    values: tuple[object, ...]


@dataclasses.dataclass(frozen=True)
class LogRange:
    """A search range of real numbers from low to high, sampled on a logarithmic scale. 0 < low < high."""

    low: float
    high: float


SearchSpace = Mapping[str, Choices | LogRange]  # setting name -> the values that `tune` may try


def parse(kind: type[T], values: Mapping[str, object], *, of: str = "") -> T:
    """Parse `values` (text or typed) into an instance of the frozen dataclass `kind`.

    of: the owner of the settings, for error messages. Raises SettingsError if a name is unknown (the hint is the
    closest known name), or if a value has the wrong type, is out of range or is not a finite number.
    """
    known = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    suffix = f" of {of}" if of else ""
    for name in values:
        if name not in known:
            raise SettingsError(f'unknown setting "{name}"{suffix}', hint=did_you_mean(name, known))
    valid = {name: _valid(kind, name, value, suffix, from_text=True) for name, value in values.items()}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in valid:
            raise SettingsError(f'setting "{field.name}"{suffix} is missing', hint="give it a value")
    return kind(**valid)


def settings_of(kind: type[T], given: object, *, of: str) -> T:
    """Return settings that are given as an instance of their class, by name in a mapping, or not at all (None).

    Raises SettingsError as `parse` does, and for anything else. of: the owner of the settings, for the message.
    """
    if isinstance(given, kind):
        return given
    if given is None or isinstance(given, Mapping):
        return parse(kind, given or {}, of=of)
    name = kind.__qualname__
    raise SettingsError(f"settings of {of} cannot be {given!r}", hint=f"give a dict, or an instance of {name}")


def checked(kind: type[T]) -> type[T]:
    """Make a settings class check its values, from Python too; it stands below `@dataclass(frozen=True)`.

    Each value must have the type and the range of its field, and text is not a number. Whole numbers are good for
    float, numpy's numbers and lists are converted. Making an instance raises SettingsError with the setting, the value
    and the range.
    """
    own_check = getattr(kind, "__post_init__", None)

    def check(self: T) -> None:
        owner = f" of {kind.__qualname__.removesuffix('.Settings')}"
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = _valid(type(self), field.name, getattr(self, field.name), owner, from_text=False)
            object.__setattr__(self, field.name, value)
        if own_check is not None:
            own_check(self)

    kind.__post_init__ = check  # type: ignore[attr-defined]
    return kind


def check_settings_class(kind: object, *, of: str) -> None:
    """Raise SettingsError unless a class can hold settings: a dataclass, and each type can be read from text.

    of: the class that owns the settings, for the message.
    """
    hint = "write a frozen dataclass of numbers, texts and truth values, for example: n_layers: int = 2"
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise SettingsError(f"{of}.Settings is not a dataclass", hint=hint)
    try:
        describe(kind)
        _fields(kind)
    except (NameError, TypeError, PydanticUserError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"{of}.Settings has a type that cannot be read: {reason}", hint=hint) from None


def split_settings(
    values: Mapping[str, Any], one: type[Any], other: type[Any], *, of: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split values into those of the dataclass `one` and those of `other`; a name that both have goes to both.

    Raises SettingsError for a name that neither has. of: the owner of the settings, for the message.
    """
    names_of_one, names_of_other = ({field.name for field in dataclasses.fields(kind)} for kind in (one, other))
    known = names_of_one | names_of_other
    for name in values:
        if name not in known:
            raise SettingsError(f'unknown setting "{name}" of {of}', hint=did_you_mean(name, known))
    return (
        {name: value for name, value in values.items() if name in names_of_one},
        {name: value for name, value in values.items() if name in names_of_other},
    )


def _valid(kind: type[Any], name: str, value: object, suffix: str, *, from_text: bool) -> Any:
    """Return a value in the type of its field. from_text: also read it from text. Raises SettingsError."""
    if isinstance(value, np.generic):
        value = value.item()
    field = _fields(kind)[name]  # type: ignore[arg-type]  # classes are hashable
    if isinstance(value, list) and not from_text:
        value = tuple(value) if field.is_tuple else value
    try:  # True and False are numbers in Python, but never meant as such
        return field.adapter.validate_python(value, strict=not from_text or isinstance(value, bool))
    except ValidationError as error:
        reason = _lower_first(error.errors()[0]["msg"])
    setting = {setting.name: setting for setting in describe(kind)}[name]
    default = "" if setting.required else f", default {setting.default}"
    hint = f"{setting.meaning} ({setting.kind}{default})"
    if setting.choices and (close := did_you_mean(str(value), setting.choices)).startswith("did"):
        hint = f"{close} {hint}"
    raise SettingsError(f'setting "{name}"{suffix} cannot be {value!r}: {reason}', hint=hint)


@dataclasses.dataclass(frozen=True)
class _Field:
    """How values of one field are checked."""

    adapter: TypeAdapter[Any]
    is_tuple: bool


@functools.cache
def _fields(kind: type[Any]) -> dict[str, _Field]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: _field(hints[field.name]) for field in dataclasses.fields(kind)}


def _field(hint: Any) -> _Field:
    base = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    kinds = (base, *get_args(base)) if isinstance(base, UnionType) else (base,)
    # config cannot be given to a dataclass, whose fields have checks of their own
    config = None if dataclasses.is_dataclass(base) else ConfigDict(allow_inf_nan=False)
    return _Field(TypeAdapter(hint, config=config), any((get_origin(each) or each) is tuple for each in kinds))


def describe(kind: type[Any]) -> list[Setting]:
    """Describe the settings of a frozen dataclass, in the order of its fields."""
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        notes = get_args(hint)[1:] if hasattr(hint, "__metadata__") else ()
        base = get_args(hint)[0] if notes else hint
        meaning = next((note.documentation for note in notes if isinstance(note, Doc)), "")
        default = field.default if field.default is not dataclasses.MISSING else None
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        choices = tuple(map(str, get_args(base))) if get_origin(base) is Literal else ()
        shown_as = next((note for note in notes if isinstance(note, ShownAs)), None)
        rows.append(Setting(field.name, _kind(base, notes), default, meaning, choices, required, shown_as))
    return rows


def parse_assignments(pairs: list[str]) -> dict[str, object]:
    """Parse `["n_layers=1", "dropout=0.3"]`, the values of `--set`, into name -> text.

    Raises SettingsError if an entry is not NAME=VALUE, or if a name is given twice.
    """
    values: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f'"{pair}" is not NAME=VALUE', hint="write for example n_layers=1")
        if name.strip() in values:
            raise SettingsError(f'setting "{name.strip()}" is given twice', hint="give it once")
        values[name.strip()] = value.strip()
    return values


def parse_search_space(pairs: Mapping[str, object]) -> SearchSpace:
    """Parse `{"n_layers": [1, 2], "dropout": "0.3,0.5", "reg_weight": "1e-4..1e-1"}` into a search space.

    A list, or text with commas, gives `Choices`; LOW..HIGH gives a `LogRange`. Raises SettingsError if a list is empty,
    or if a range is not two finite numbers with 0 < LOW < HIGH.
    """
    space: dict[str, Choices | LogRange] = {}
    for name, value in pairs.items():
        if isinstance(value, list):
            if not value:
                raise SettingsError(f'"{name}" has an empty list of values', hint="give at least one value")
            space[name] = Choices(tuple(value))
            continue
        text = str(value)
        low, dots, high = text.partition("..")
        if not dots:
            space[name] = Choices(tuple(each.strip() for each in text.split(",")))
            continue
        try:
            interval = LogRange(float(low), float(high))
        except ValueError:
            interval = LogRange(0.0, 0.0)
        if not 0 < interval.low < interval.high < math.inf:
            raise SettingsError(f'"{name}={text}" is not a range', hint="write for example reg_weight=1e-4..1e-1")
        space[name] = interval
    return space


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file into a table. Raises SettingsError that names the file and the line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError("no such settings file", where=location(path), hint="check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"is not TOML: {error}", where=location(path), hint="correct that line") from None
    except RecursionError:
        raise SettingsError("is nested too deeply", where=location(path), hint="write it again") from None


def _lower_first(message: str) -> str:
    return message[:1].lower() + message[1:]


def _kind(base: object, notes: tuple[object, ...]) -> str:
    if get_origin(base) is Literal:
        return " | ".join(str(choice) for choice in get_args(base))
    name = base.__name__ if isinstance(base, type) else str(base)
    for note in notes:
        if isinstance(note, Interval):
            bounds = [f"{sign} {bound}" for sign, bound in _bounds(note) if bound is not None]
            name += " " + " and ".join(bounds)
    return name


def _bounds(interval: Interval) -> list[tuple[str, object]]:
    return [(">", interval.gt), (">=", interval.ge), ("<", interval.lt), ("<=", interval.le)]
