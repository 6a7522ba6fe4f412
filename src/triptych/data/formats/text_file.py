"""Text files as UTF-8: decompressed, decoded, and looked through once for what a parser has to know."""

from __future__ import annotations

import codecs
import encodings.aliases
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from triptych.data.formats.compressed import decompressed
from triptych.data.parquet import polars_source
from triptych.errors import InputError, SettingsError, argument, did_you_mean, location
from triptych.memory import free_bytes
from triptych.progress import Listener, Progress

MARKS = (  # byte-order marks; the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ENCODINGS = (  # that are guessed, without those of 16 bits; of equally good ones, the first
    *("cp1252", "cp949", "gb18030", "cp932", "big5", "euc_jp", "cp1251", "koi8_r", "cp1250", "cp1256", "cp1253"),
    *("cp1254", "cp1255", "cp1258", "cp874", "iso8859_2", "iso8859_15", "mac_roman", "cp437", "cp850"),
)
CHUNK = 1 << 20
MEGABYTE = 1_000_000
LINES_PER_REPORT = 20_000
SAMPLE = 1 << 18  # bytes that an encoding is guessed from
SHARE = 8  # decoding needs several times the memory of the file


@dataclass(frozen=True)
class TextFile:
    """A text file.

    content: its bytes in UTF-8 if they are not those of the file, else None. separator: of fields, if the first line
    names it as spreadsheets do (sep=;); that line is blank here.
    """

    path: Path
    content: bytes | None
    separator: str = ""

    @property
    def source(self) -> Path | bytes:
        """What polars reads."""
        return polars_source(self.path) if self.content is None else self.content

    def open(self) -> IO[bytes]:
        return self.path.open("rb") if self.content is None else io.BytesIO(self.content)

    def lines(self, *, errors: str = "strict") -> IO[str]:
        """The text without a byte-order mark, with its line ends as they are."""
        return io.TextIOWrapper(self.open(), encoding="utf-8-sig", errors=errors, newline="")

    def first_line(self) -> str:
        """Return the first line that is not blank, without its end; "" if there is none."""
        with self.lines(errors="replace") as text:
            for line in iter(lambda: text.readline(1 << 20), ""):
                if line.strip():
                    return line.rstrip("\r\n")
        return ""


@dataclass(frozen=True)
class Contents:
    """What a text contains: double quotes, carriage returns that end a line alone, a blank line at the beginning."""

    has_quotes: bool
    has_lone_returns: bool
    begins_blank: bool


def open_text(path: Path, encoding: str = "") -> TextFile:
    """Open a text file, which may be compressed. encoding: "" takes the byte-order mark, else UTF-8.

    Raises InputError if the file is damaged or cannot be decoded, SettingsError for an unknown encoding.
    """
    content = decompressed(path)
    with path.open("rb") if content is None else io.BytesIO(content) as file:
        begin = file.read(4)
    marked = next((name for mark, name in MARKS if begin.startswith(mark)), "")
    chosen = marked or _known_encoding(encoding)
    if begin.startswith(codecs.BOM_UTF8) or chosen in ("", "utf-8", "utf-8-sig"):
        if not marked and b"\0" in begin[:2] + begin[2:4]:
            raise _undecodable(path, content, 1)
        return _without_separator_line(TextFile(path, content))
    return _without_separator_line(TextFile(path, _utf8(path, content, chosen)))


def _without_separator_line(text: TextFile) -> TextFile:
    with text.open() as file:
        found = re.match(rb'(?:\xef\xbb\xbf)?"?sep=(.)"?\r?\n', file.read(16))
        if found is None:
            return text
        file.seek(found.end())
        return TextFile(text.path, b"\n" + file.read(), found[1].decode("latin-1"))


def reported(stream: IO[str], text: TextFile, listener: Listener) -> Iterator[str]:
    """Yield the lines of a text that is open as `stream`, and report the megabytes that have been read."""
    stage, begin = f"reading {text.path.name}", 0
    with text.open() as file:
        total = file.seek(0, io.SEEK_END) // MEGABYTE
    for number, line in enumerate(stream):
        if number % LINES_PER_REPORT == 0:
            position = stream.buffer.tell() // MEGABYTE  # type: ignore[attr-defined]
            begin = min(max(begin, position), max(total - 1, 0))
            listener(Progress(stage, begin, max(total, 1)))
        yield line
    listener(Progress(stage, max(total, 1), max(total, 1)))


def look_through(text: TextFile) -> Contents:
    """Return what a text contains, in one pass over its bytes."""
    quotes = lone_returns = False
    with text.open() as file:
        begin = file.read(64).removeprefix(codecs.BOM_UTF8)
        begins_blank = begin.split(b"\n", 1)[0].strip() == b"" and b"\n" in begin
        file.seek(0)
        for chunk in _chunks(file):
            quotes = quotes or b'"' in chunk
            lone_returns = lone_returns or chunk.count(b"\r") > chunk.count(b"\r\n")
    return Contents(quotes, lone_returns, begins_blank)


def first_row_not_utf8(text: TextFile) -> int | None:
    """Return the number of the first line that is not UTF-8; None if all are."""
    with text.open() as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None


def not_utf8(text: TextFile, row: int | None = None) -> InputError:
    """Return the error for a text that is not UTF-8, with a guess of the encoding.

    row: the number of its first line that is not, if it is known already.
    """
    return _undecodable(text.path, text.content, row or first_row_not_utf8(text) or 1)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield pieces of a file; none ends between the two characters of a line end."""
    while chunk := file.read(CHUNK):
        if chunk.endswith(b"\r"):
            chunk += file.read(1)
        yield chunk


def _known_encoding(name: str) -> str:
    """Return the name of an encoding of texts as Python writes it. Raises SettingsError."""
    if not name:
        return ""
    try:
        found = codecs.lookup(name)
        "".encode(found.name)  # refuses codecs that are no encodings of text
    except (LookupError, ValueError):
        near = did_you_mean(name, set(encodings.aliases.aliases.values()))
        hint = near if near.startswith("did") else "for example utf-8, cp949, latin-1, gb18030, shift_jis or utf-16"
        raise SettingsError(f'unknown encoding "{name}"', hint=hint) from None
    return found.name


def _utf8(path: Path, content: bytes | None, encoding: str) -> bytes:
    size = path.stat().st_size if content is None else len(content)
    if size * SHARE > free_bytes():
        hint = f"convert it first: iconv -f {encoding} -t utf-8 FILE > NEW_FILE"
        raise InputError("is too large to be decoded in memory", where=location(path), hint=hint)
    given = path.read_bytes() if content is None else content
    try:
        return given.decode(encoding).encode()
    except UnicodeDecodeError as error:
        row = given[: error.start].count(b"\n") + 1
        raise InputError(
            f"is not {encoding} text", where=location(path, row=row), hint=_encoding_hint(given, "another encoding")
        ) from None
    except UnicodeEncodeError:
        raise InputError(f"is not {encoding} text", where=location(path), hint="give another encoding") from None


def _undecodable(path: Path, content: bytes | None, row: int) -> InputError:
    if content is None:
        with path.open("rb") as file:
            begin = sum(len(line) for _, line in zip(range(1, row), file, strict=False))
            file.seek(0)
            content = file.read(min(begin, SAMPLE))
            file.seek(begin)
            content += file.read(4 * SAMPLE)
    return InputError(
        "is not UTF-8 text", where=location(path, row=row), hint=_encoding_hint(content, "save the file as UTF-8")
    )


def _encoding_hint(content: bytes, otherwise: str) -> str:
    """Return a hint that names the encoding which the text probably has, with a piece of it for the reader's eye.

    Where most lines with characters outside ASCII are UTF-8, the others are damaged rather than in another encoding.
    """
    from charset_normalizer import from_bytes

    lines = _unusual_lines(content)
    n_good = sum(map(_is_utf8, lines)) if b"\0" not in lines[0] else 0
    if n_good > len(lines) - n_good:
        return (
            f"correct that row: {n_good:,} of {len(lines):,} rows with such characters are UTF-8; or drop what is not: "
            "iconv -c -f utf-8 -t utf-8 FILE > NEW_FILE"
        )
    sample = b"".join(lines)
    candidates = None if b"\0" in sample[:1000] else [*ENCODINGS]
    found = from_bytes(sample, cp_isolation=candidates)
    best = found.best()
    if best is None or best.encoding in ("ascii", "utf_8"):
        return f"{otherwise}, or pass `encoding` with its encoding"
    usual = {each.encoding: each for each in found if each.chaos <= best.chaos and each.coherence >= best.coherence}
    best = next((usual[name] for name in ENCODINGS if name in usual), best)
    words = [word for line in str(best).splitlines() for word in line.split() if not word.isascii()]
    shown = f', which reads "{words[0][:40]}"' if words else ""
    return f"pass {argument(encoding=best.encoding)} (a guess{shown}), or {otherwise}"


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unusual_lines(content: bytes) -> list[bytes]:
    """Return the lines that show the encoding: those with bytes outside ASCII. All text if it has wide characters."""
    if b"\0" in content[:1000]:
        return [content[:SAMPLE]]
    lines, size = [], 0
    for line in content.splitlines(keepends=True):
        if not line.isascii():
            lines.append(line)
            size += len(line)
            if size > SAMPLE:
                break
    return lines or [content[:SAMPLE]]
