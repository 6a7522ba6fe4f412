"""Artefacts that somebody made on purpose: wrong arrays, tables and descriptions under an honest manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.exceptions import PolarsError
from safetensors.numpy import load_file, save_file

from campaign.places import Place
from campaign.processes import in_child
from campaign.verdicts import Try, Verdict, is_named_error, worst
from reliability.forged import forge
from triptych.artefacts import MANIFEST

Arrays = dict[str, NDArray[Any]]
IMPOSSIBLE = 3  # exit code: polars cannot make such a column
NUMBERS: tuple[Any, ...] = (-1, 0, 1, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 1e308, -0.5)
VALUES: tuple[Any, ...] = (None, True, -1, 0, 2**70, 0.5, "", "../../x", "a\x00b", [], {}, [[[]]], {"a": None}, "NaN")


def _spoil_values(array: NDArray[Any], generator: Random) -> NDArray[Any]:
    spoilt = array.copy().reshape(-1)
    if spoilt.size:
        number = generator.choice((*NUMBERS, float("nan"), float("inf")))
        with np.errstate(all="ignore"):
            value = np.array([number], dtype=object if spoilt.dtype == object else None)
            try:
                spoilt[generator.randrange(spoilt.size)] = value.astype(spoilt.dtype)[0]
            except (OverflowError, ValueError):
                spoilt[generator.randrange(spoilt.size)] = 0
    return spoilt.reshape(array.shape)


def _spoil_array(array: NDArray[Any], generator: Random) -> NDArray[Any]:
    """Return an array with other values, another shape or another dtype."""
    dtype = generator.choice(("f8", "f4", "f2", "i8", "i4", "i1", "u1", "?"))
    ways: tuple[Callable[[], NDArray[Any]], ...] = (
        lambda: _spoil_values(array, generator),
        lambda: _spoil_values(array, generator),
        lambda: np.ascontiguousarray(array.T),
        lambda: array[:-1].copy(),
        lambda: np.concatenate([array, array[:1]]),
        lambda: array[:0].copy(),
        lambda: array.reshape(-1).copy(),
        lambda: array[None].copy(),
        lambda: array[::-1].copy(),
        lambda: array.astype(dtype),
    )
    with np.errstate(all="ignore"):
        return generator.choice(ways)()


def spoil_tensors(path: Path, generator: Random) -> None:
    """Change one array of a safetensors file, or take it away, or give it another's name."""
    arrays: Arrays = load_file(path) or {"more": np.zeros(3)}
    name = generator.choice(sorted(arrays))
    match generator.randrange(8):
        case 0:
            del arrays[name]
        case 1:
            arrays[name] = arrays[generator.choice(sorted(arrays))].copy()
        case _:
            arrays[name] = _spoil_array(arrays[name], generator)
    save_file(arrays, path)


def spoil_table(path: Path, generator: Random) -> None:
    """Change one column of a Parquet file."""
    frame = pl.read_parquet(path)
    name = generator.choice(frame.columns)
    column = frame[name]
    dtype = generator.choice((pl.Float64, pl.Int8, pl.UInt64, pl.String, pl.Boolean))
    numbers = pl.Series([generator.choice((-1, 2**40, len(frame))) for _ in range(len(frame))])
    ways: tuple[Callable[[], pl.DataFrame], ...] = (
        lambda: frame.drop(name),
        lambda: frame.head(len(frame) - 1),
        lambda: frame.head(0),
        lambda: pl.concat([frame, frame.head(1)]),
        lambda: frame.with_columns(column.shift(1)),
        lambda: frame.with_columns(column.reverse()),
        lambda: frame.with_columns(column.cast(dtype, strict=False)),
        lambda: frame.with_columns(numbers.alias(name)),
        lambda: frame.with_columns(pl.lit(None).cast(column.dtype).alias(name)),
        lambda: frame.with_columns(pl.Series(name, [[1]] * len(frame))),
    )
    generator.choice(ways)().write_parquet(path)


def spoil_json(value: Any, generator: Random) -> Any:
    """Return JSON with one value changed, taken away or nested deeply."""
    if isinstance(value, dict) and value and generator.random() < 0.8:
        key = generator.choice(sorted(value))
        if generator.random() < 0.15:
            return {name: each for name, each in value.items() if name != key}
        return {**value, key: spoil_json(value[key], generator)}
    if isinstance(value, list) and value and generator.random() < 0.6:
        position = generator.randrange(len(value))
        return [*value[:position], spoil_json(value[position], generator), *value[position + 1 :]]
    return generator.choice(VALUES)


def try_hostile(place: Place, generator: Random) -> Try | None:
    """Change one file or the description of an artefact, write an honest manifest, and read it."""
    place.restore(finished=True)
    roots = [name for output in place.scenario.outputs for name in (place.folder / output).rglob(MANIFEST)]
    if not roots:
        return None
    folder = generator.choice(sorted(roots)).parent
    made = in_child(partial(make_hostile, folder, generator), place.folder)  # polars' threads must not start here
    if made.code == IMPOSSIBLE:
        return None
    assert made.code == 0, made.output
    how = made.output.strip()
    verdicts, details = list[Verdict](), [how]
    for read in place.scenario.reads:
        outcome = in_child(read, place.folder)
        good = not outcome.crashed and (outcome.code == 0 or is_named_error(outcome))
        verdicts.append((Verdict.SAME if outcome.code == 0 else Verdict.NAMED) if good else Verdict.CRASH)
        details.append(f"{outcome.code} {outcome.output}")
    return Try("hostile artefact", place.scenario.name, worst(verdicts), "\n".join(details))


def make_hostile(folder: Path, generator: Random) -> int:
    """Change something in an artefact, write its manifest again, and print what was changed."""
    changeable = [file for file in sorted(folder.rglob("*")) if file.suffix in SPOILERS]
    path = generator.choice(changeable)
    if path.name == MANIFEST:
        forge(folder, lambda _: None, lambda about: _spoil_about(about, generator))
    else:
        try:
            forge(folder, lambda _: SPOILERS[path.suffix](path, generator))
        except PolarsError:
            return IMPOSSIBLE
    print(f"changed {path.relative_to(folder)}")
    return 0


def _spoil_about(about: dict[str, Any], generator: Random) -> None:
    spoilt = spoil_json(about, generator)
    about.clear()
    about.update(spoilt if isinstance(spoilt, dict) else {})


def _spoil_json_file(path: Path, generator: Random) -> None:
    changed = spoil_json(json.loads(path.read_text(encoding="utf-8")), generator)
    path.write_text(json.dumps(changed), encoding="utf-8")


SPOILERS = {".safetensors": spoil_tensors, ".parquet": spoil_table, ".json": _spoil_json_file}
