# Included by every kernel module, so that each has the setter for its own copy of the count.
from refconv._core.threads cimport num_threads, threads_for, use_threads


def set_num_threads(int n):
    """Let the kernels of this module run on n threads."""
    use_threads(n)
