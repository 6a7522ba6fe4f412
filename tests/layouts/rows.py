"""The interactions that all layouts hold, and how their files are written."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

N_USERS, N_ITEMS, N_EACH = 30, 20, 6
USERS = [f"A{number:03d}X" for number in range(N_USERS)]
ITEMS = [f"B0{number:03d}" for number in range(N_ITEMS)]
START = 1_400_000_000


def interactions() -> list[tuple[str, str, int, int]]:
    """Rows of user, item, rating from 1 to 5, and seconds; every item has some."""
    chance = random.Random(0)
    rows = []
    for number, user in enumerate(USERS):
        own = [item for position, item in enumerate(ITEMS) if position % 3 == number % 3]
        chosen = [*chance.sample(own, N_EACH - 1), ITEMS[number % N_ITEMS]]
        rows += [(user, item, chance.randint(1, 5), START + chance.randint(0, 10**7)) for item in chosen]
    return list({row[:2]: row for row in rows}.values())


ROWS = interactions()
N_ROWS = len(ROWS)


def lines(path: Path, content: list[str], encoding: str = "utf-8") -> None:
    """Write lines, compressed if the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = ("\n".join(content) + "\n").encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def json_lines(path: Path, objects: list[dict[str, Any]], write: Callable[[Any], str] = json.dumps) -> None:
    lines(path, [write(each) for each in objects])


def rows_with(separator: str, *order: int, ids: Callable[[str], str] = str) -> list[str]:
    """Lines of the interactions; order: the columns (0 user, 1 item, 2 rating, 3 time)."""
    return [separator.join(ids(str(row[column])) for column in order) for row in ROWS]
