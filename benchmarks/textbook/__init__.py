"""Every model as one would write it from its paper with plain torch calls: simple, slow, used only to compare with.

Whole tables go through every linear layer at every step, the graph is a COO tensor or a list of edges whose messages
are gathered into [edges, d], features are float32 in memory, and Adam is torch's default. The mathematics is ours,
parameter for parameter under the same names: tests/benchmarks/test_textbook.py compares losses, gradients and scores.
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
