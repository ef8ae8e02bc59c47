"""Hypothesis strategies for the tests.

Hypothesis draws sizes, windows and a seed; NumPy's generator with this seed produces the values of the arrays. Examples are
therefore generated fast, and they shrink to small sizes, a simple window and seed 0. The sizes in one example are mutually
distinct, so that a test fails if two axes are exchanged.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from refconv.geometry import Window
from refconv.verify.catalogue.strategies import holds_pixels, input_sizes, least_size, paddings, unlike, windows

__all__ = [
    "ConvProblem",
    "conv_problems",
    "dtypes",
    "float_arrays",
    "holds_pixels",
    "image_batches",
    "input_sizes",
    "integer_arrays",
    "least_size",
    "max_examples",
    "paddings",
    "problem",
    "seeds",
    "small_floats",
    "small_integers",
    "unlike",
    "windows",
]

seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([np.float32, np.float64])


def max_examples(number):
    """Return settings that draw this number of examples under ``pytest --all``.

    In the fast lane the number is reduced by the same ratio as the default number.
    """
    running, full = settings.default.max_examples, settings.get_profile("full").max_examples
    return settings(max_examples=max(1, number * running // full))


def small_floats(shape, seed, dtype=np.float64):
    """Return numbers with two decimals between −2 and 2; they are short, and sums round."""
    values = np.random.default_rng(seed).integers(-200, 201, shape)
    return (values / 100).astype(dtype)


def small_integers(shape, seed, dtype=np.float64, most=3):
    """Return integers from −most to most in a float array.

    They cause ties in most windows, and sums of their products are exact.
    """
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(dtype)


@st.composite
def float_arrays(draw, shape, dtypes=dtypes):
    """Draw arrays of :func:`small_floats`; the shape is a tuple or a strategy for one."""
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    return small_floats(shape, draw(seeds), draw(dtypes))


@st.composite
def integer_arrays(draw, shape, dtypes=dtypes, most=3):
    """Draw arrays of :func:`small_integers`; the shape is a tuple or a strategy for one."""
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    return small_integers(shape, draw(seeds), draw(dtypes), most)


@st.composite
def image_batches(draw, window, *, dtypes=dtypes, most_batch=3, most_channels=4, values=small_floats, extra=4):
    """Draw batches (N, *size, C) of images or signals that the window fits.

    N, the sizes and C are mutually distinct.
    """
    C = draw(st.integers(1, most_channels))
    N = draw(unlike({C}, 1, most_batch))
    size = draw(input_sizes(window, excluded={N, C}, extra=extra))
    return values((N, *size, C), draw(seeds), draw(dtypes))


@dataclass(frozen=True, repr=False, eq=False)
class ConvProblem:
    """Arrays, window and groups for the forward and backward pass of one convolution layer."""

    x: np.ndarray  # (N, *size, C)
    w: np.ndarray  # (*kernel, C / groups, O)
    b: np.ndarray  # (O,)
    dy: np.ndarray  # (N, *outputs, O)
    window: Window
    groups: int

    @property
    def size(self):
        """Size of the images, without batch and channels."""
        return self.x.shape[1:-1]

    @property
    def options(self):
        """Keyword arguments of the public operators."""
        window = self.window
        return {
            "stride": window.stride,
            "padding": window.padding,
            "dilation": window.dilation,
            "groups": self.groups,
        }

    def __repr__(self):
        shapes = ", ".join(f"{name} {getattr(self, name).shape}" for name in ("x", "w", "dy"))
        return f"<{self.x.dtype} {shapes}, groups {self.groups}, {self.window}>"

    def _repr_pretty_(self, printer, cycle):  # without it, Hypothesis would print every element
        printer.text(repr(self))


def problem(size, window, *, N=2, C_g=2, O_g=3, groups=1, seed=0, dtype=np.float64, values=small_floats):
    """Return a :class:`ConvProblem` of exactly these sizes."""
    x = values((N, *size, C_g * groups), seed, dtype)
    w = values((*window.kernel, C_g, O_g * groups), seed + 1, dtype)
    b = values((O_g * groups,), seed + 2, dtype)
    dy = values((N, *window.output_size(size), O_g * groups), seed + 3, dtype)
    return ConvProblem(x, w, b, dy, window, groups)


@st.composite
def conv_problems(
    draw, ndim=2, *, dtypes=dtypes, values=small_floats, most_channels=3, most_groups=3, most_batch=3, extra=3, **window
):
    """Draw a :class:`ConvProblem` with any window and any number of groups.

    Each group has up to ``most_channels`` input channels and up to ``most_channels`` output channels. Batch, sizes, channels
    and outputs are mutually distinct. The arguments ``window`` are passed to :func:`windows`.
    """
    window = draw(windows(ndim, **window))
    groups = draw(st.integers(1, most_groups))
    C_g = draw(st.integers(1, most_channels))
    O_g = draw(unlike({C_g}, 1, most_channels))
    channels = {C_g * groups, O_g * groups}
    N = draw(unlike(channels, 1, most_batch))
    size = draw(input_sizes(window, excluded={N, *channels}, extra=extra))
    seed = draw(seeds)
    return problem(size, window, N=N, C_g=C_g, O_g=O_g, groups=groups, seed=seed, dtype=draw(dtypes), values=values)
