"""Measurements of refconv's speed against other libraries, on the same cores in the same run."""
