"""Scripts (Latin, Hangul, Arabic, …) of texts, and those of which a text encoder knows words.

A model that was trained on English still has the letters of other scripts in its vocabulary, but no pieces of words: it
splits such texts into single letters, or into unknown tokens, and gives unrelated texts similar vectors.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection
from functools import lru_cache

from triptych.encoding.encoder import Encoder
from triptych.encoding.inputs import EncodingInputs
from triptych.errors import argument
from triptych.texts import printable

SHARE = 1e-3  # of the vocabulary: a script with as many pieces of words is known
HAN, HAN_CHARACTERS = "CJK", 1000  # models split Chinese into characters: a script with as many of them is known
MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
SHOWN = 40  # characters of the example


def known_scripts(vocabulary: Collection[str]) -> frozenset[str]:
    """Return the scripts of which a vocabulary of a tokenizer has pieces of words, as "LATIN" or "HANGUL"."""
    pieces: Counter[str] = Counter()
    characters: set[str] = set()
    for token in vocabulary:
        scripts = scripts_of(token)
        pieces.update(script for script, n in scripts.items() if n > 1)
        if HAN in scripts:
            characters.update(token)
    known = {script for script, n in pieces.items() if n >= max(1, SHARE * len(vocabulary)) and script != HAN}
    n_han = sum(_script(each) == HAN for each in characters)
    return frozenset(known | ({HAN} if n_han >= HAN_CHARACTERS else set()))


def scripts_of(text: str) -> Counter[str]:
    """Return the number of letters of each script in a text."""
    return Counter(script for script in map(_script, unicodedata.normalize("NFKC", text)) if script)


def unreadable_texts(inputs: EncodingInputs, encoder: Encoder) -> list[str]:
    """Return a note if texts are mostly in scripts that the encoder does not know; it names their number and one."""
    texts = {n: str(text) for n, text in enumerate(inputs.contents) if text and not str(text).isascii()}
    if inputs.input_kind != "texts" or encoder.scripts is None or not texts:
        return []
    known = encoder.scripts()
    found: Counter[str] = Counter()
    first = None
    for n, text in texts.items():
        letters = scripts_of(text)
        unknown = {script: count for script, count in letters.items() if script not in known}
        if sum(unknown.values()) * 2 > letters.total():
            found[max(unknown, key=lambda script: unknown[script])] += 1
            first = n if first is None else first
    if first is None:
        return []
    counts = ", ".join(f"{_readable(script)} {count:,}" for script, count in found.most_common())
    n_texts, example = sum(map(bool, inputs.contents)), printable(texts[first][:SHOWN])
    return [
        f"{found.total():,} of {n_texts:,} texts are mostly in scripts that {encoder.name} does not know ({counts}), "
        f'as "{example}" of item "{inputs.ids[first]}": their vectors mean little; '
        f"name a model that knows them, as {argument(text_encoder=MULTILINGUAL)}, or the folder of one"
    ]


@lru_cache(maxsize=1 << 16)
def _script(character: str) -> str:
    """Return the script of a letter; "" for other characters."""
    return unicodedata.name(character, "").split(" ")[0] if character.isalpha() else ""


def _readable(script: str) -> str:
    return "Chinese characters" if script == HAN else script.capitalize()
