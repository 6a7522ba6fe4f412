"""Texts in scripts that a text encoder does not know are counted, with an example; a folder of another model helps."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from encoding.encoders import text_encoder as letters
from triptych.data.formats.tables import Table
from triptych.encoding import EncodingInputs, encode, table_texts, text_encoder
from triptych.encoding.scripts import known_scripts, scripts_of, unreadable_texts
from triptych.errors import InputWarning

needs_sentences = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None,
    reason='sentence-transformers is absent: pip install "triptych[features]"',
)
TITLES = [
    "A good film",
    "한국 영화",
    "영화 이야기 (film)",
    "日本の映画の話",
    "فيلم عربي",
    "русский фильм",
    "Café für alle",
    None,
]
KOREAN = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "한국", "영화", "##영화"]


def inputs(titles: list[str | None], folder: Path) -> EncodingInputs:
    (folder / "items.csv").write_text("")
    frame = pl.DataFrame({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles})
    return table_texts(Table(frame, folder / "items.csv"), {"title": ""})


@needs_sentences
def test_the_default_encoder_says_which_texts_it_cannot_read(tmp_path: Path) -> None:
    given = inputs(TITLES, tmp_path)
    with pytest.warns(InputWarning, match=r"5 of 7 texts .* all-minilm-l6-v2 does not know \(Hangul 2, ") as caught:
        encode(given, text_encoder(device="cpu"), tmp_path / "out")
    message = str(caught[0].message)
    assert '"한국 영화" of item "i1"' in message
    assert '`text_encoder="sentence-transformers/paraphrase-multilingual' in message
    for name in ("Chinese characters 1", "Arabic 1", "Cyrillic 1"):
        assert name in message


def save_model(folder: Path, vocabulary: list[str]) -> Path:
    """A small text model of `transformers`, with its vocabulary."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = t.BertConfig(**sizes, intermediate_size=16, vocab_size=len(vocabulary), max_position_embeddings=16)
    t.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    t.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=16, strip_accents=False).save_pretrained(folder)
    return folder


@needs_sentences
def test_a_model_in_a_local_folder_that_knows_the_script_reads_the_texts(tmp_path: Path) -> None:
    encoder = text_encoder(str(save_model(tmp_path / "korean", KOREAN)), "cpu")
    result = encode(inputs(["한국 영화", "영화", "film"], tmp_path), encoder, tmp_path / "out")  # without a warning
    assert result.n_encoded == 3
    rows = np.load(tmp_path / "out" / "features.npy")
    assert not np.allclose(rows[0], rows[1])


def test_an_encoder_that_does_not_say_its_scripts_is_not_judged(tmp_path: Path) -> None:
    assert unreadable_texts(inputs(TITLES, tmp_path), letters()) == []


def test_scripts_are_known_by_pieces_of_words_and_chinese_by_its_characters() -> None:
    assert known_scripts(["good", "film", "한", "ㅎ", "я", "日"]) == {"LATIN"}
    han = [chr(0x4E00 + n) for n in range(2000)]
    assert known_scripts([*han, "фильм", *["film"] * 3]) == {"LATIN", "CJK"}
    assert scripts_of("Ａｂ 한국 １２ !") == {"LATIN": 2, "HANGUL": 2}
