"""The compiled kernels, one folder for each instruction set."""
