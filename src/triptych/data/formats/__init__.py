"""Foreign files -> tables with their row numbers. FORMATS in `registry.py` says which reader understands a path."""
