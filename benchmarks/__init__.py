"""Benchmarks of speed and memory against textbook versions of the models, on one machine: `python -m benchmarks`."""
