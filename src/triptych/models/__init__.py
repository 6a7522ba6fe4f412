"""One file a paper; models never import each other. The registry is in `models/registry.py`."""
