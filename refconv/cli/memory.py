"""Peak memory of this process."""

from __future__ import annotations

import sys

__all__ = ["MEBIBYTE", "peak_memory"]

MEBIBYTE = 2**20


def peak_memory() -> int | None:
    """Return the peak memory of this process in bytes, or None if the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS reports bytes, other systems KiB
