"""A call of ours in the terms that libraries share: every option spelled out, and padding in numbers."""

import inspect
from fractions import Fraction
from types import SimpleNamespace

from refconv._arguments import per_axis
from refconv.geometry import Window
from refconv.verify.operator import lookup

__all__ = ["FIRST", "options", "reach", "window"]

FIRST = "channels_first"


def options(name, a):
    """All that the operator of this name is told beside its arrays, its own defaults included, as attributes.

    >>> from refconv.verify.case import Arguments
    >>> options("leaky_relu", Arguments({}, {}, {})).slope
    0.1
    """
    parameters = inspect.signature(lookup(name)).parameters.values()
    told = {p.name: p.default for p in parameters if p.default is not p.empty}
    told |= {**a.options, **a.given}
    return SimpleNamespace(**{key: float(value) if isinstance(value, Fraction) else value for key, value in told.items()})


def window(o, kernel, ndim):
    """The window of these options; without a stride, that of a pool, whose windows touch."""
    kernel = per_axis("kernel", kernel, ndim)
    stride = kernel if o.stride is None else o.stride
    return Window(kernel, stride, o.padding, getattr(o, "dilation", 1), getattr(o, "ceil_mode", False))


def reach(window, size):
    """How far windows go ``(before, after)`` the input along each axis: over the padding; with ceil_mode also beyond it,
    or not to its end.

    >>> reach(Window((3,), stride=2, padding=1, ceil_mode=True), (6,))
    ((1, 2),)
    """
    pads = window.pads(size)
    if not window.ceil_mode:
        return pads
    ends = [(n - 1) * S + span for n, S, span in zip(window.output_size(size), window.stride, window.span, strict=True)]
    return tuple((before, max(end - n - before, 0)) for n, (before, _), end in zip(size, pads, ends, strict=True))
