"""What tables and diagrams show of a layer: methods and attributes with defaults, overridden beside ``forward``.

The packages ``analysis`` and ``drawing`` call these and know no layer by its class, so a user's layer has the same rights as
the package's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refconv.geometry import Window

__all__ = ["Description", "Shape", "Span", "Wrapper", "around", "by", "once", "window_caption", "window_settings"]

Shape = tuple[int, ...]
Span = tuple[tuple[int, int], ...]  # first and last pixel along each axis


class Description:
    """Mixin of :class:`Layer`: receptive field, memory, and text and colour in diagrams.

    Every default is right for a layer that allocates one array and whose output may depend on the whole input.

    Attributes
    ----------
    category : str
        Colour in diagrams: "conv", "up" (upsampling), "pool", "dense", "norm", "activation", "dropout" or "other". Layers of
        the categories "norm", "activation" and "dropout" are written in the box of the layer before them.
    wiring : str
        How diagrams draw the layer: "box"; "line" if it changes no number; "chain" or "branches" of its inner layers;
        "frame" around its first inner layer; or "columns" of a fractal.
    """

    category: str = "other"
    wiring: str = "box"

    if TYPE_CHECKING:  # implemented by Layer

        def output_shape(self, shape: Shape) -> Shape: ...
        def children(self, shape: Shape) -> Iterator[tuple[str, Description, Shape]]: ...

    def caption(self) -> str:
        """Return the text for the layer in diagrams: by default the name of its class."""
        return type(self).__name__

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        """Return the rectangle of input pixels that affect a rectangle of output pixels; None means the whole input.

        By default None, since an output may depend on any input. A layer that computes each pixel from the same pixel of its
        input returns ``span``.

        Parameters
        ----------
        shape : tuple of int
            One input, without the batch.
        span : tuple of (int, int)
            First and last output pixel along each axis. Indices in the padding, below 0 or beyond the end, are allowed.
        """
        return None

    def layers_before(self, name: str) -> Sequence[Description] | None:
        """Return the layers between this layer's input and that of the direct inner layer of this name; None if unknown."""
        return None

    def own_activations(self, shape: Shape) -> int:
        """Return the number of elements that the layer allocates in inference for one input, without its inner layers.

        By default those of its output. A layer whose output shares the memory of its input returns 0.
        """
        return math.prod(self.output_shape(shape))

    def all_activations(self, shape: Shape) -> int:
        """Return the number of elements that the layer and its inner layers allocate for one input.

        A training step keeps them for the backward function.

        >>> from refconv import nn
        >>> nn.Sequential(nn.Conv2D(6, 5), nn.ReLU(), nn.Flatten(), nn.Dense(7)).all_activations((9, 8, 3))
        247

        Source: lecture row B7 (SOURCES.md).
        """
        return self.own_activations(shape) + sum(inner.all_activations(at) for _, inner, at in self.children(shape))

    def peak_activations(self, shape: Shape, keep_input: bool = False) -> int:
        """Return the peak number of live elements of activations in inference, for one input.

        A layer needs its input and its output. By default inner layers run one after the other, each may read the input, and
        their outputs live until the end. Parameters and the buffers of kernels are not included.

        Parameters
        ----------
        shape : tuple of int
            One input, without the batch.
        keep_input : bool
            True if a later layer reads the input again, so that it outlives the layer.

        >>> from refconv import nn
        >>> nn.Sequential(nn.Conv2D(6, 5), nn.ReLU(), nn.Flatten(), nn.Dense(7)).peak_activations((9, 8, 3))
        336

        Source: lecture row B7 (SOURCES.md).
        """
        inside = [(inner, at, inner.all_activations(at) > 0) for _, inner, at in self.children(shape)]
        read_again = keep_input or not all(allocates for _, _, allocates in inside)
        peak = waiting = 0
        for k, (inner, at, allocates) in enumerate(inside, 1):
            peak = max(peak, waiting + inner.peak_activations(at, read_again or k < len(inside)))
            waiting += math.prod(inner.output_shape(at)) if allocates else 0
        waiting += math.prod(shape) if read_again or not inside else 0
        return max(peak, waiting + self.own_activations(shape))


class Wrapper(Description):
    """Mixin of containers that compute in inference what their first inner layer computes."""

    wiring = "frame"

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        inner, at = self._first(shape)
        return inner.input_span(at, span)

    def layers_before(self, name: str) -> Sequence[Description] | None:
        return ()

    def own_activations(self, shape: Shape) -> int:
        return 0

    def peak_activations(self, shape: Shape, keep_input: bool = False) -> int:
        inner, at = self._first(shape)
        return inner.peak_activations(at, keep_input)

    def _first(self, shape: Shape) -> tuple[Description, Shape]:
        _, inner, at = next(self.children(shape))
        return inner, at


def around(spans: Iterable[Span | None]) -> Span | None:
    """Return the smallest rectangle that contains all of these; None, the whole input, if one of them is None.

    >>> around([((2, 5), (0, 1)), ((3, 7), (-1, 0))])
    ((2, 7), (-1, 1))
    """
    rectangles = []
    for span in spans:
        if span is None:
            return None
        rectangles.append(span)
    return tuple((min(low for low, _ in axis), max(high for _, high in axis)) for axis in zip(*rectangles, strict=True))


def by(numbers: Iterable[int]) -> str:
    """Return sizes as text.

    >>> by((3, 5))
    '3×5'
    """
    return "×".join(map(str, numbers))


def once(numbers: Iterable[int]) -> str:
    """Return sizes as text, a common size once.

    >>> once((2, 2)), once((2, 3))
    ('2', '2×3')
    """
    numbers = tuple(numbers)
    return str(numbers[0]) if len({*numbers}) == 1 else by(numbers)


def window_caption(window: Window, name: str, *sizes: str) -> str:
    """Return the caption of a layer with a window: its kernel, what it computes, and each unusual setting.

    >>> from refconv.geometry import Window
    >>> window_caption(Window((3, 5), stride=2, dilation=(1, 2)), "conv", "64")
    '3×5 conv, 64, /2, dilation 1×2'
    """
    return ", ".join([f"{by(window.kernel)} {name}", *sizes, *window_settings(window)])


def window_settings(window: Window) -> list[str]:
    """Return the stride and the dilation of a window as text, each only if it is not 1."""
    settings = [("/", window.stride), ("dilation ", window.dilation)]
    return [sign + once(numbers) for sign, numbers in settings if {*numbers} != {1}]
