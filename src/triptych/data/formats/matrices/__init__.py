"""Readers of feature files: one file per kind, and the registry that finds the reader of a path."""
