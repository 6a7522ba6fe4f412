"""The demo's text encoder: tf-idf of words and word pairs, reduced by SVD. It needs no weights to download."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from triptych.data.features import Features


def text_features(texts: Sequence[str | None], *, width: int = 96) -> Features:
    """Encode texts as features of modality "text" by latent semantic analysis; blank texts count as missing.

    texts: one per item, None if an item has none. Returns a table float32 [n_items, <= width] whose columns have mean 0
    and variance 1 over the texts; rows of missing texts are zeros and not `present`. Few texts or words give fewer
    columns. Raises ValueError if `width` is not positive.
    """
    if width < 1:
        raise ValueError(f"width must be positive, got {width}")
    present = np.array([bool(text and text.strip()) for text in texts], dtype=np.bool_)
    known = [text for text in texts if text and text.strip()]
    provenance = {"encoder": "triptych.demo.text_features"}
    # a word of a single item does not relate it to other items
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2 if len(known) > 20 else 1, sublinear_tf=True)
    try:
        tf_idf = vectorizer.fit_transform(known)
    except ValueError:  # no text has a word
        return Features("text", np.zeros((len(texts), 1), np.float32), np.zeros(len(texts), np.bool_), provenance)
    reduced = TruncatedSVD(min(width, *tf_idf.shape), random_state=0, n_iter=4).fit_transform(tf_idf)
    # whitening: the first directions are common to all texts, later ones distinguish themes and need an equal weight
    reduced = (reduced - reduced.mean(axis=0)) / np.maximum(reduced.std(axis=0), 1e-9)
    table = np.zeros((len(texts), reduced.shape[1]), dtype=np.float32)
    table[present] = reduced
    return Features("text", table, present, provenance)
