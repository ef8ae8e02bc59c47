"""Conversion of a call for other libraries: all options explicit, and padding in numbers."""

import inspect
from fractions import Fraction
from types import SimpleNamespace

from refconv._arguments import per_axis
from refconv.geometry import Window
from refconv.verify.operator import lookup

__all__ = ["FIRST", "options", "reach", "window"]

FIRST = "channels_first"


def options(name, a):
    """Return all options of an operator as attributes, including its defaults.

    >>> from refconv.verify.case import Arguments
    >>> options("leaky_relu", Arguments({}, {}, {})).slope
    0.1
    """
    parameters = inspect.signature(lookup(name)).parameters.values()
    values = {p.name: p.default for p in parameters if p.default is not p.empty}
    values |= {**a.options, **a.given}
    return SimpleNamespace(**{key: float(value) if isinstance(value, Fraction) else value for key, value in values.items()})


def window(o, kernel, ndim):
    """Return the window of these options; by default windows of pooling do not overlap."""
    kernel = per_axis("kernel", kernel, ndim)
    stride = kernel if o.stride is None else o.stride
    return Window(kernel, stride, o.padding, getattr(o, "dilation", 1), getattr(o, "ceil_mode", False))


def reach(window, size):
    """Return how far windows extend ``(before, after)`` the input along each axis.

    Without ceil_mode this is the padding; with ceil_mode, the last window may end before or after the end of the padding.

    >>> reach(Window((3,), stride=2, padding=1, ceil_mode=True), (6,))
    ((1, 2),)
    """
    pads = window.pads(size)
    if not window.ceil_mode:
        return pads
    ends = [(n - 1) * S + span for n, S, span in zip(window.output_size(size), window.stride, window.span, strict=True)]
    return tuple((before, max(end - n - before, 0)) for n, (before, _), end in zip(size, pads, ends, strict=True))
