"""Speed and memory, measured: textbook versions beside ours, in one run on one machine. `python -m benchmarks`."""
