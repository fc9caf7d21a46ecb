"""The speed of headwater beside DuckDB itself and beside other tools: `python -m benchmarks`, or `make bench`."""
