"""Models, one file per paper; they never import each other. `models/registry.py` lists them."""
