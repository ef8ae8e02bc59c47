"""What refconv's speed is, measured against others on the same cores in the same run.

When refconv is loaded, it tells OpenMP by an environment variable that waiting threads spin for microseconds only. PyTorch
brings an OpenMP of its own and shall run as it does by itself; so it is loaded here, before anything that needs refconv.
"""

import contextlib

with contextlib.suppress(ImportError):
    import torch  # noqa: F401
