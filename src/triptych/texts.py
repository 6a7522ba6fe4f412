"""Titles, ids and paths are data: how they are shown without acting on a terminal, a drawing or a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from html import escape

# controls of terminals (C0, DEL, C1), line separators, overrides of the direction of text, parts of a character that
# is not complete, and characters that XML forbids
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_PLAIN = str.maketrans(
    {
        "…": "...",
        "●": "*",
        "±": "+-",
        "≥": ">=",
        "≤": "<=",
        "−": "-",
        "–": "-",
        "—": "-",
        "×": "x",
        "«": '"',
        "»": '"',
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "Σ": "sum of ",
    }
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # of a cell that a spreadsheet computes


def printable(text: str) -> str:
    r"""Return the text with control characters written out: a tab as \t, ESC as \x1b, an override as \u202e.

    Bytes of a file name that are not UTF-8 (surrogate escapes) become \xNN. The result is one line, valid UTF-8 and
    valid in XML.
    """
    return text if text.isprintable() else _UNSAFE.sub(_written_out, text)


def printable_json(text: str) -> str:
    """Return the text of a JSON value with control characters as JSON escapes; its line breaks stay."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def encodable(text: str, encoding: str) -> str:
    r"""Return the text in characters that an encoding has: "…" as "...", "é" as "e", all others as \u escapes."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_in_encoding(character, encoding) for character in text)
    return text


def is_utf8(text: str) -> bool:
    """Return whether UTF-8 has all characters of a text. Names of files and arguments may contain other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_utf8(text: str) -> str:
    """Return a text that UTF-8 has, for an id that may be an argument.

    Bytes that the locale could not decode (surrogate escapes) are decoded as UTF-8; what is not UTF-8 becomes U+FFFD.
    """
    try:
        return text if is_utf8(text) else text.encode(errors="surrogateescape").decode(errors="replace")
    except UnicodeEncodeError:  # halves of other characters
        return text.encode(errors="surrogatepass").decode(errors="replace")


def escape_xml(text: str) -> str:
    """Return a text for an element or attribute of XML or HTML: control characters written out, marks escaped."""
    return escape(printable(text))


def without_formula(cell: str) -> str:
    """Return a text that a spreadsheet does not compute: with ' before =, +, -, @, a tab or a carriage return."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _written_out(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _in_encoding(character: str, encoding: str) -> str:
    without_accents = unicodedata.normalize("NFKD", character)[:1]
    for each in (character, character.translate(_PLAIN), without_accents):
        try:
            each.encode(encoding)
        except UnicodeEncodeError:
            continue
        return each
    return character.encode("ascii", "backslashreplace").decode()
