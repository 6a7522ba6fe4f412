"""JSON that is read strictly: damaged, deep, repeated or changed content is an error that names the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xxhash

from triptych.artefacts.files import write_file
from triptych.errors import ArtefactError, TriptychError, location

CHECKSUM = "xxh3"  # the key of the checksum of all other keys
LIMIT = 1 << 28  # bytes of a file


def json_bytes(value: object) -> bytes:
    r"""Return a value as indented JSON in UTF-8. Raises ValueError for NaN and infinity, which JSON cannot represent.

    Bytes of a name that are not UTF-8 (surrogate escapes) become the escapes of JSON, such as \udcff.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode(errors="backslashreplace")


def json_bytes_with_checksum(values: Mapping[str, Any]) -> bytes:
    """Return values as `json_bytes` does, with their checksum as the last value."""
    return json_bytes({**values, CHECKSUM: _checksum(values)})


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values and their checksum as one JSON object, completely or not at all. `read_json` reads it."""
    write_file(path, json_bytes_with_checksum(values))


def parse_json(content: bytes | bytearray | memoryview) -> Any:
    """Return the value of JSON in UTF-8. Raises ValueError if it is no JSON, repeats a key or is nested too deeply."""
    try:
        return json.loads(bytes(content).decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_distinct)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def without_checksum(value: Any) -> Any:
    """Return parsed JSON without its checksum, if it has one. Raises ValueError if that is not the right one."""
    if not isinstance(value, dict) or CHECKSUM not in value:
        return value
    rest = {name: each for name, each in value.items() if name != CHECKSUM}
    if value[CHECKSUM] != _checksum(rest):
        raise ValueError("differs from its checksum")
    return rest


def read_json(path: Path, kind: type = dict, hint: str = "write it again") -> Any:
    """Return the value in a JSON file, without its checksum, which must be right; files without one are read too.

    kind: dict or list. hint: what to do if the file is damaged. Raises ArtefactError if it is missing, too large,
    damaged or of another kind.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise ArtefactError(f"is larger than {LIMIT >> 20} MiB", where=location(path), hint=hint)
        value = parse_json(content)
    except FileNotFoundError:
        raise ArtefactError("is missing", where=location(path), hint=hint) from None
    except ValueError:
        raise damaged(path, hint, "it is not JSON") from None
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        raise ArtefactError(f"cannot be read: {problem}", where=location(path), hint=hint) from None
    if not isinstance(value, kind):
        raise damaged(path, hint, "it has another form")
    try:
        return without_checksum(value)
    except ValueError as error:
        raise damaged(path, hint, f"it {error}") from None


def damaged(path: Path, hint: str, why: str = "") -> ArtefactError:
    """Return the error for a damaged file."""
    return ArtefactError(f"is damaged: {why}" if why else "is damaged", where=location(path), hint=hint)


@contextmanager
def checked_content(path: Path, hint: str = "write it again") -> Iterator[None]:
    """Turn the errors of content that is of the wrong kind into an ArtefactError that names the file."""
    try:
        yield
    except ArtefactError:
        raise
    except TriptychError as error:
        raise damaged(path, hint, error.what) from None
    except KeyError as error:
        raise damaged(path, hint, f'"{error.args[0]}" is missing') from None
    except (ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise damaged(path, hint, (str(error).splitlines() or ["it cannot be used"])[0]) from None


def _checksum(values: Mapping[str, Any]) -> str:
    """The fast checksum of values, whatever the order of their keys and the white space in the file."""
    plain = json.loads(json.dumps(values))
    return str(xxhash.xxh3_128_hexdigest(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key is repeated")
    return value
