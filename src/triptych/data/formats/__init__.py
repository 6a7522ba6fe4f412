"""Readers of foreign files -> tables with row numbers. `registry.py` lists the formats; each has a file of its own."""
