"""Graphs and propagation over them. File names and first lines say which models a file serves."""
