"""Kernels for processors with AVX2 and FMA (x86-64-v3). Compiled modules appear here."""
