"""The performance budget, measured: `python -m benchmarks` (or `make bench`)."""
