"""Texts -> features: tf-idf of words and pairs of words, reduced to a few directions. No weights to download."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from triptych.data.features import Features


def text_features(texts: Sequence[str | None], *, width: int = 96) -> Features:
    """Features of modality "text" by latent semantic analysis; blank texts count as missing.

    texts: one an item, None where there is none. -> table float32 [n_items, <= width], columns of mean 0 and variance 1
    over the texts; rows of missing texts are zeros and not `present`. Fewer columns where there are few texts or
    words. Raises ValueError when `width` is not positive.
    """
    if width < 1:
        raise ValueError(f"width must be positive, got {width}")
    present = np.array([bool(text and text.strip()) for text in texts], dtype=np.bool_)
    known = [text for text in texts if text and text.strip()]
    provenance = {"encoder": "triptych.content.texts"}
    # words of a single item relate it to no other
    counting = TfidfVectorizer(ngram_range=(1, 2), min_df=2 if len(known) > 20 else 1, sublinear_tf=True)
    try:
        counted = counting.fit_transform(known)
    except ValueError:  # not one word in any text
        return Features("text", np.zeros((len(texts), 1), np.float32), np.zeros(len(texts), np.bool_), provenance)
    reduced = TruncatedSVD(min(width, *counted.shape), random_state=0, n_iter=4).fit_transform(counted)
    # whitened: the first directions are what all texts share, and the themes that tell them apart lie in the later ones
    reduced = (reduced - reduced.mean(axis=0)) / np.maximum(reduced.std(axis=0), 1e-9)
    table = np.zeros((len(texts), reduced.shape[1]), dtype=np.float32)
    table[present] = reduced
    return Features("text", table, present, provenance)
