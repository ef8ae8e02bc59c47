"""Methods and attributes that describe a layer for tables and diagrams.

They have defaults, which layers may override. The packages ``analysis`` and ``drawing`` call them instead of testing for
classes, so a user's layer is treated like the package's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from refconv.typing import Shape

if TYPE_CHECKING:
    from refconv.geometry import Window

__all__ = [
    "Description",
    "Span",
    "Wrapper",
    "around",
    "built_shape",
    "by",
    "once",
    "short_name",
    "short_repr",
    "window_caption",
    "window_settings",
]

Span = tuple[tuple[int, int], ...]  # first and last pixel along each axis

MAX_NAME_LENGTH = 28  # characters; in a longer name, repeated parts are written once


class Description:
    """Mixin of :class:`Layer`: receptive field, memory, and text and colour in diagrams.

    The defaults are right for a layer that allocates one array, and whose output may depend on the whole input.

    Attributes
    ----------
    category : str
        Colour in diagrams: "conv", "up" (upsampling), "pool", "dense", "norm", "activation", "dropout" or "other". Layers of
        the categories "norm", "activation" and "dropout" are written in the box of the layer before them.
    wiring : str
        How diagrams draw the layer: "box"; "line" for the identity and reshaping; "chain" or "branches" of its inner layers;
        "frame" around its first inner layer; or "columns" of a fractal.
    """

    category: str = "other"
    wiring: str = "box"
    input_shape: Shape | None  # of the last build

    if TYPE_CHECKING:  # implemented by Layer

        def named_layers(self) -> Iterator[tuple[str, Description]]: ...
        def output_shape(self, shape: Shape) -> Shape: ...
        def children(self, shape: Shape) -> Iterator[tuple[str, Description, Shape]]: ...

    def summary(self, input_shape: Shape | None = None, depth: int | None = None, *, form: str = "text") -> None:
        """Print a table of the layers; see :func:`refconv.summary`.

        >>> from refconv import nn
        >>> model = nn.Sequential(conv=nn.Conv2D(6, 5), pool=nn.MaxPool2D(2))
        >>> _ = model.build((32, 28, 1))
        >>> model.summary()
        name   layer           output       parameters  multiply-adds
        ─────  ──────────────  ───────────  ──────────  ─────────────
        input                  32 × 28 × 1
        conv   Conv2D(6, 5×5)  28 × 24 × 6         156        100,800
        pool   MaxPool2D(2×2)  14 × 12 × 6           0              0
        ─────  ──────────────  ───────────  ──────────  ─────────────
        total                                      156        100,800
        <BLANKLINE>
        memory in float32: parameters 624 bytes; activations of one input 19.7 KiB in training, 19.7 KiB at once in inference
        """
        from refconv.analysis.summary import summary

        summary(self._as_layer(), input_shape, depth=depth, form=form)

    def _repr_html_(self) -> str | None:
        """Return the diagram of a built network for notebooks.

        For any other layer return None, so that notebooks show its text.
        """
        shape = built_shape(self)
        if shape is None or not [*self.named_layers()]:
            return None
        try:
            from refconv.drawing import architecture_picture

            picture = architecture_picture(self._as_layer(), shape, type(self).__name__, form="svg").decode()
        except ImportError:  # matplotlib is optional
            return None
        svg = picture[picture.index("<svg") :]  # without the XML declaration, which HTML does not have
        return svg.replace("<svg ", '<svg style="max-width: 100%; height: auto" ', 1)

    def _as_layer(self) -> Any:
        """Return self: this mixin cannot name its subclass Layer, which imports it."""
        return self

    def caption(self) -> str:
        """Return the text for the layer in diagrams: by default the name of its class."""
        return type(self).__name__

    def input_span(self, shape: Shape, span: Span) -> Span | None:
        """Return the input pixels that affect a rectangle of output pixels; None for all of them.

        The default is None, since an output may depend on any input. If each output pixel depends only on the same pixel of
        the input, return ``span``.

        Parameters
        ----------
        shape : tuple of int
            One input, without the batch.
        span : tuple of (int, int)
            First and last output pixel along each axis. Indices in the padding, below 0 or beyond the end, are allowed.
        """
        return None

    def layers_before(self, name: str) -> Sequence[Description] | None:
        """Return the layers that run before the direct inner layer of this name; None if unknown."""
        return None

    def own_activations(self, shape: Shape) -> int:
        """Return the number of elements that the layer itself allocates in inference for one input.

        Inner layers are not included. The default is the size of the output. Return 0 if the output shares the memory of the
        input.
        """
        return math.prod(self.output_shape(shape))

    def all_activations(self, shape: Shape) -> int:
        """Return the number of elements that the layer and its inner layers allocate for one input.

        A training step keeps these elements for the backward function.

        >>> from refconv import nn
        >>> nn.Sequential(nn.Conv2D(6, 5), nn.ReLU(), nn.Flatten(), nn.Dense(7)).all_activations((9, 8, 3))
        247

        Source: lecture row B7 (SOURCES.md).
        """
        return self.own_activations(shape) + sum(inner.all_activations(at) for _, inner, at in self.children(shape))

    def peak_activations(self, shape: Shape, keep_input: bool = False) -> int:
        """Return the peak number of live elements of activations in inference, for one input.

        A layer needs memory for its input and its output. The default assumes that inner layers run one after the other, that
        each of them may read the input, and that their outputs are kept until the end. Parameters and the buffers of
        compiled kernels are not included.

        Parameters
        ----------
        shape : tuple of int
            One input, without the batch.
        keep_input : bool
            True if a later layer reads the input again, so that it must be kept.

        >>> from refconv import nn
        >>> nn.Sequential(nn.Conv2D(6, 5), nn.ReLU(), nn.Flatten(), nn.Dense(7)).peak_activations((9, 8, 3))
        336

        Source: lecture row B7 (SOURCES.md).
        """
        inside = [(inner, at, inner.all_activations(at) > 0) for _, inner, at in self.children(shape)]
        read_again = keep_input or not all(allocates for _, _, allocates in inside)
        peak = kept_elements = 0
        for k, (inner, at, allocates) in enumerate(inside, 1):
            peak = max(peak, kept_elements + inner.peak_activations(at, read_again or k < len(inside)))
            kept_elements += math.prod(inner.output_shape(at)) if allocates else 0
        kept_elements += math.prod(shape) if read_again or not inside else 0
        return max(peak, kept_elements + self.own_activations(shape))


class Wrapper(Description):
    """Mixin of containers whose output in inference is the output of their first inner layer."""

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


def built_shape(layer: Description) -> Shape | None:
    """Return the input shape that was passed to ``build``; None if the layer is not built.

    If ``build`` was only called on the inner layers, return the input shape of the first one.

    >>> from refconv import nn
    >>> model = nn.Sequential(nn.Conv2D(6, 5), nn.ReLU(), nn.MaxPool2D(2))
    >>> _ = model.build((32, 28, 1))
    >>> built_shape(nn.Sequential(features=model[:2], flatten=nn.Flatten()))
    (32, 28, 1)
    """
    shape = layer.input_shape
    inner = next(layer.named_layers(), None) if shape is None else None
    return shape if inner is None else built_shape(inner[1])


def around(spans: Iterable[Span | None]) -> Span | None:
    """Return the smallest rectangle that contains all of these rectangles.

    None means the whole input. If one of the rectangles is None, the result is None.

    >>> around([((2, 5), (0, 1)), ((3, 7), (-1, 0))])
    ((2, 7), (-1, 1))
    """
    rectangles = []
    for span in spans:
        if span is None:
            return None
        rectangles.append(span)
    return tuple((min(low for low, _ in axis), max(high for _, high in axis)) for axis in zip(*rectangles, strict=True))


def short_repr(layer: object) -> str:
    """Return the repr of a layer for an error message, shortened if it has several lines.

    >>> from refconv import nn
    >>> short_repr(nn.Sum(nn.ReLU())), short_repr(nn.Sequential(*[nn.ReLU()] * 20))
    ('Sum(ReLU())', 'Sequential(…)')
    """
    text = repr(layer)
    return f"{type(layer).__name__}(…)" if "\n" in text else text


def short_name(name: str) -> str:
    """Shorten a long dotted name: write repeated parts once, with the number of repetitions.

    >>> short_name("u.join.below.u.join.below.u.join.below.u.down")
    '(u.join.below)×3.u.down'
    """
    parts = name.split(".")
    k = 0
    while len(name) > MAX_NAME_LENGTH and k < len(parts):
        runs = [(n, _repetitions(parts[k:], n)) for n in range(1, len(parts) // 2 + 1)]
        length, times = max(runs, key=lambda run: run[0] * (run[1] - 1), default=(1, 1))
        if times > 1:
            parts[k : k + length * times] = [f"({'.'.join(parts[k : k + length])})×{times}"]
        k += 1
    return ".".join(parts)


def _repetitions(parts: list[str], n: int) -> int:
    """Count how often the first n parts are repeated in succession."""
    times = 1
    while parts[times * n : (times + 1) * n] == parts[:n]:
        times += 1
    return times


def by(numbers: Iterable[int]) -> str:
    """Return sizes as text.

    >>> by((3, 5))
    '3×5'
    """
    return "×".join(map(str, numbers))


def once(numbers: Iterable[int]) -> str:
    """Return sizes as text; write equal sizes once.

    >>> once((2, 2)), once((2, 3))
    ('2', '2×3')
    """
    numbers = tuple(numbers)
    return str(numbers[0]) if len({*numbers}) == 1 else by(numbers)


def window_caption(window: Window, name: str, *sizes: str) -> str:
    """Return the caption of a layer with a window.

    It contains the kernel, the name of the operation, and each setting that is not the default.

    >>> from refconv.geometry import Window
    >>> window_caption(Window((3, 5), stride=2, dilation=(1, 2)), "conv", "64")
    '3×5 conv, 64, /2, dilation 1×2'
    """
    return ", ".join([f"{by(window.kernel)} {name}", *sizes, *window_settings(window)])


def window_settings(window: Window) -> list[str]:
    """Return the stride and the dilation of a window as text, each only if it is not 1."""
    settings = [("/", window.stride), ("dilation ", window.dilation)]
    return [sign + once(numbers) for sign, numbers in settings if {*numbers} != {1}]
