"""Types for annotations of the public interface.

>>> from refconv.typing import Array
>>> def scaled(x: Array, factor: float) -> Array:
...     return factor * x
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Array", "ArrayLike", "Backward", "DataFormat", "Generator", "Padding", "Shape", "Size"]

# The element type is not fixed: operators accept float32 and float64, and with the engine "reference" also exact numbers.
Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
Size: TypeAlias = int | tuple[int, ...]  # one number for all spatial axes, or one for each
Padding: TypeAlias = str | int | tuple[int, ...] | tuple[tuple[int, int], ...]
DataFormat: TypeAlias = Literal["channels_last", "channels_first"]
# A generator, a seed, or None for different numbers in each run. In quotes, because evaluating it would import numpy.random.
Generator: TypeAlias = "np.random.Generator | int | None"
Backward: TypeAlias = Callable[..., Any]  # dx = backward(dy), or backward(dy, want_dx=False)
