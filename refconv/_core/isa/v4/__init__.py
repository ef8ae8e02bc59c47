"""Kernels for processors with AVX-512 (x86-64-v4). Compiled modules appear here."""
