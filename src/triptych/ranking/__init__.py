"""Scorers, top-k lists, metrics and evaluation by full ranking."""
