"""Kernels that every processor of its kind can run. Compiled modules appear here."""
