"""Measurements: each module is run with `python -m bench.NAME`, prints a table and writes it to bench/results."""
