"""``refconv trace``."""

import numpy as np

from refconv._optional import need

__all__ = ["trace"]

ARRAYS = ("x", "w", "b", "dy")
OPTIONS = ("stride", "padding", "dilation", "groups", "mode", "output_padding", "ceil_mode", "count_include_pad")


def trace(options) -> None:
    """Print each product that enters one output element."""
    need("hypothesis", "verify", "refconv trace")
    from refconv.verify.tracing.trace import trace

    sizes = {name: getattr(options, name) for name in ("input", "kernel", "channels", "filters")}
    arrays = {name: _read(name, path) for name in ARRAYS if (path := getattr(options, name))}
    given = {name: value for name in OPTIONS if (value := getattr(options, name)) is not None}
    print(trace(options.operator, options.output, **sizes, seed=options.seed, arrays=arrays, **given))


def _read(name, path):
    try:
        with open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, MemoryError):
        raise
    except Exception:  # NumPy parses the header as Python, so a damaged one raises nearly any type
        raise ValueError(f"--{name} must be a file that numpy.save has written, but is {path}") from None
