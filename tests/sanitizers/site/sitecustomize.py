"""Use the kernels of the folder TRIPTYCH_NATIVE, which a sanitizer watches, instead of the installed ones."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

NAME = "triptych.kernels._native"


class Finder:
    """Finds this one module in the folder."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return where the module is; ImportError if it is not in the folder. None for other modules."""
        if name != NAME:
            return None
        built = list(Path(os.environ["TRIPTYCH_NATIVE"]).glob("triptych/kernels/_native*.so"))
        if not built:
            raise ImportError("the kernels were not built with this sanitizer")
        return importlib.util.spec_from_file_location(name, built[0])


sys.meta_path.insert(0, Finder)
