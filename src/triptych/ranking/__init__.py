"""Scorers, top-k, metrics: full ranking and how good it is."""
