"""Convolution: the families, and the algorithms among which they choose."""
