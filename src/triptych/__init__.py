"""Triptych: graph-based multimodal recommendation. Image, text and metadata: three panels, one picture.

The public names are listed in `__init__.pyi`. They are imported on first access, so that `import triptych` is cheap.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
