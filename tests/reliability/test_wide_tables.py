"""Tables of very many columns cost time in proportion to their columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.data.formats.read_table import read_table
from triptych.data.formats.separated import first_repeated
from triptych.errors import InputError


class Counted(str):
    """A name that counts how often it is compared."""

    comparisons = 0

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_looking_for_repeated_columns_compares_each_name_only_a_few_times() -> None:
    names = [Counted(f"column {n}") for n in range(5_000)]
    assert first_repeated(names) is None
    assert Counted.comparisons < 10 * len(names)  # all pairs would be 12 million
    assert first_repeated(["a", "b", "c", "b", "a"]) == "b"


def test_a_table_of_thousands_of_columns_is_read_and_its_repeated_column_named(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(3_000)]
    path = tmp_path / "wide.csv"
    path.write_text(",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n", encoding="utf-8")
    assert read_table(path).frame.shape == (1, len(names))
    path.write_text(",".join([*names, "c7"]) + "\n" + ",".join(["1"] * 3_001) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match='names a column twice: "c7"'):
        read_table(path)
