"""Peak memory of a function, for tests."""

import gc
import tracemalloc

__all__ = ["MEGABYTE", "peak_of"]

MEGABYTE = 2**20


def peak_of(function):
    """Return the largest number of bytes that Python and NumPy have allocated during a call.

    The memory of C libraries, such as Pillow's pixels, is not counted, so the number does not depend on other processes.
    """
    gc.collect()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
