"""Textbook versions: every model written from its paper with plain torch calls. They are simple, slow, and a baseline.

Whole tables go through every linear layer at every step. The graph is a COO tensor, or a list of edges whose messages
are gathered into [edges, d]. Features are float32 in memory, and Adam is torch's default. The mathematics and the names
of the parameters are those of Triptych's models; tests/benchmarks/test_textbook.py compares losses, gradients, scores.
"""

from __future__ import annotations

from benchmarks.textbook.bm3 import BM3
from benchmarks.textbook.bpr import BPR
from benchmarks.textbook.freedom import FREEDOM
from benchmarks.textbook.grcn import GRCN
from benchmarks.textbook.lightgcn import LightGCN
from benchmarks.textbook.mmgcn import MMGCN
from benchmarks.textbook.model import TextbookModel
from benchmarks.textbook.vbpr import VBPR

TEXTBOOK: dict[str, type[TextbookModel]] = {
    "bm3": BM3,
    "grcn": GRCN,
    "mmgcn": MMGCN,
    "freedom": FREEDOM,
    "vbpr": VBPR,
    "lightgcn": LightGCN,
    "bpr": BPR,
}
