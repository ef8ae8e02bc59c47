"""Small cases for traces of an operator: few sizes, and numbers that are easy to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from refconv._arguments import integer, per_axis
from refconv._errors import ArgumentValueError
from refconv.verify.case import Case

__all__ = ["SETTINGS", "Setting", "Wishes", "readable"]

# The kernel is not square and the numbers of channels differ, so that swapped axes are visible.
IMAGE, KERNEL, WINDOW, CHANNELS, FILTERS, ROWS = (4, 5), (3, 2), (2, 2), 2, 3, 4


@dataclass(frozen=True)
class Wishes:
    """Sizes, arrays and options passed by the caller; None for sizes that are not given."""

    input: int | tuple[int, ...] | None = None
    kernel: int | tuple[int, ...] | None = None
    channels: int | None = None
    filters: int | None = None
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """Setting of an operator for traces.

    ``make(wishes)`` returns the case. ``takes`` contains the names of the sizes that the operator has, and ``options`` its
    default options in traces.
    """

    make: Callable[[Wishes], Case]
    takes: tuple[str, ...] = ("input", "kernel", "channels", "filters")
    options: Mapping[str, object] = field(default_factory=dict)


def readable(name, shape, rng, positive):
    """Return whole numbers without 0, so that each 0 is padding: 1 to 9 in x, else −3 to 3."""
    return rng.integers(1, 10, shape) if name == "x" else rng.choice([-3, -2, -1, 1, 2, 3], shape)


def _batch(wishes, ndim):
    """Return the shape (N, *size, C) of x."""
    if "x" in wishes.arrays:
        return wishes.arrays["x"].shape
    size = IMAGE[2 - ndim :]
    if wishes.input is not None:
        size = per_axis("input", wishes.input, max(ndim, 1) if isinstance(wishes.input, int) else len(wishes.input))
    if len(size) == ndim:
        return (1 if ndim else ROWS, *size, wishes.channels or CHANNELS * _groups(wishes))
    if len(size) == ndim + 2 and wishes.channels is None:
        return size
    raise ArgumentValueError(
        f"input must contain {ndim} sizes, or {ndim + 2} sizes with batch and channels (then leave out channels), got {size}"
    )


def _groups(wishes):
    return integer("groups", wishes.options.get("groups", 1))


def _kernel(wishes, ndim, default=KERNEL):
    if "w" in wishes.arrays:
        return wishes.arrays["w"].shape[:ndim]
    return per_axis("kernel", default[:ndim] if wishes.kernel is None else wishes.kernel, ndim)


def layer(ndim, transposed=False):
    """Return small sizes and default options for traces of a convolution layer.

    The layer may be a transposed convolution.
    """

    def make(wishes):
        x, kernel, groups = _batch(wishes, ndim), _kernel(wishes, ndim), _groups(wishes)
        O = wishes.filters or FILTERS * groups
        if "w" in wishes.arrays:
            w = wishes.arrays["w"].shape
            O = w[-2] * groups if transposed else w[-1]
        # Kernels of the transposed convolution are (…, outputs / groups, inputs).
        w = (*kernel, O // groups, x[-1]) if transposed else (*kernel, x[-1] // groups, O)
        return Case({"x": x, "w": w, "b": (O,)}, wishes.options)

    return Setting(make, options={"stride": 2} if transposed else {"padding": "same"})


def pool(ndim):
    """Return small sizes and default options for traces of pooling; the kernel is the window."""

    def make(wishes):
        return Case({"x": _batch(wishes, ndim)}, wishes.options, {"kernel_size": _kernel(wishes, ndim, WINDOW)})

    return Setting(make, ("input", "kernel", "channels"))


def sliding(ndim, mode):
    """Return small sizes and default options for traces of a plain convolution or correlation."""

    def make(wishes):
        x = IMAGE[2 - ndim :] if wishes.input is None else per_axis("input", wishes.input, ndim)
        return Case({"x": wishes.arrays["x"].shape if "x" in wishes.arrays else x, "w": _kernel(wishes, ndim)}, wishes.options)

    return Setting(make, ("input", "kernel"), {"mode": mode})


def dense(wishes):
    """Return the case of the dense layer, which has neither pixels nor a kernel."""
    x = _batch(wishes, 0)
    O = wishes.arrays["w"].shape[-1] if "w" in wishes.arrays else wishes.filters or FILTERS
    return Case({"x": x, "w": (x[-1], O), "b": (O,)}, wishes.options)


SETTINGS = {
    # The mode in which the first output is element 0 of the formula.
    "convolve1d": sliding(1, "full"),
    "convolve2d": sliding(2, "full"),
    "cross_correlate1d": sliding(1, "valid"),
    "cross_correlate2d": sliding(2, "valid"),
    "conv1d": layer(1),
    "conv2d": layer(2),
    "conv_transpose1d": layer(1, transposed=True),
    "conv_transpose2d": layer(2, transposed=True),
    "max_pool1d": pool(1),
    "max_pool2d": pool(2),
    "avg_pool1d": pool(1),
    "avg_pool2d": pool(2),
    "dense": Setting(dense, ("input", "channels", "filters")),
}
