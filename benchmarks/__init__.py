"""Benchmarks of refconv against other libraries, on the same cores in the same run."""
