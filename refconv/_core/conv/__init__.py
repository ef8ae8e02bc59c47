"""Convolution: the families of operators, and the algorithms that they choose from."""
