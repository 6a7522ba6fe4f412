"""Whether a person sits in front of this process: at a prompt of Python, or at a notebook."""

from __future__ import annotations

import sys


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook (Jupyter, VS Code, Colab, …)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None  # IPython in a terminal has none


def is_interactive() -> bool:
    """Return whether commands are typed one after the other, at a prompt or in a notebook: not the run of a script."""
    return getattr(sys, "ps1", None) is not None or in_notebook()
