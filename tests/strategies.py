"""What hypothesis draws for the tests, by the names of what is made.

Sizes, windows and a seed are drawn; the bulk of the values comes from NumPy's generator with that seed. So an example
is made fast, and shrinks where it matters: to small sizes, a plain window and seed 0. Sizes in one example are mutually
distinct, so that two exchanged axes show.
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
    """Let Hypothesis draw this number of examples under ``pytest --all``, and fewer in the fast lane by the same ratio."""
    running, full = settings.default.max_examples, settings.get_profile("full").max_examples
    return settings(max_examples=max(1, number * running // full))


def small_floats(shape, seed, dtype=np.float64):
    """Numbers of two decimals between −2 and 2: small enough to read, and their sums do round."""
    values = np.random.default_rng(seed).integers(-200, 201, shape)
    return (values / 100).astype(dtype)


def small_integers(shape, seed, dtype=np.float64, most=3):
    """Integers from −most to most in a float array: ties in every window, and sums of products without any rounding."""
    return np.random.default_rng(seed).integers(-most, most + 1, shape).astype(dtype)


@st.composite
def float_arrays(draw, shape, dtypes=dtypes):
    """Arrays of :func:`small_floats`; the shape is a tuple or a strategy for one."""
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    return small_floats(shape, draw(seeds), draw(dtypes))


@st.composite
def integer_arrays(draw, shape, dtypes=dtypes, most=3):
    """Arrays of :func:`small_integers`; the shape is a tuple or a strategy for one."""
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    return small_integers(shape, draw(seeds), draw(dtypes), most)


@st.composite
def image_batches(draw, window, *, dtypes=dtypes, most_batch=3, most_channels=4, values=small_floats, extra=4):
    """Batches (N, *size, C) of images or signals that a window fits; N, the sizes and C mutually distinct."""
    C = draw(st.integers(1, most_channels))
    N = draw(unlike({C}, 1, most_batch))
    size = draw(input_sizes(window, unlike_these={N, C}, extra=extra))
    return values((N, *size, C), draw(seeds), draw(dtypes))


@dataclass(frozen=True, repr=False, eq=False)
class ConvProblem:
    """Everything that one convolution layer needs, forward and back."""

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
        """The keyword arguments of the public operators."""
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

    def _repr_pretty_(self, printer, cycle):  # hypothesis would print every element
        printer.text(repr(self))


def problem(size, window, *, N=2, C_g=2, O_g=3, groups=1, seed=0, dtype=np.float64, values=small_floats):
    """One :class:`ConvProblem` of these very sizes."""
    x = values((N, *size, C_g * groups), seed, dtype)
    w = values((*window.kernel, C_g, O_g * groups), seed + 1, dtype)
    b = values((O_g * groups,), seed + 2, dtype)
    dy = values((N, *window.output_size(size), O_g * groups), seed + 3, dtype)
    return ConvProblem(x, w, b, dy, window, groups)


@st.composite
def conv_problems(
    draw, ndim=2, *, dtypes=dtypes, values=small_floats, most_channels=3, most_groups=3, most_batch=3, extra=3, **window
):
    """:class:`ConvProblem` with every window, and groups of up to most_channels inputs and as many outputs each.

    Batch, sizes, channels and outputs are mutually distinct; ``window`` goes to :func:`windows`.
    """
    window = draw(windows(ndim, **window))
    groups = draw(st.integers(1, most_groups))
    C_g = draw(st.integers(1, most_channels))
    O_g = draw(unlike({C_g}, 1, most_channels))
    channels = {C_g * groups, O_g * groups}
    N = draw(unlike(channels, 1, most_batch))
    size = draw(input_sizes(window, unlike_these={N, *channels}, extra=extra))
    seed = draw(seeds)
    return problem(size, window, N=N, C_g=C_g, O_g=O_g, groups=groups, seed=seed, dtype=draw(dtypes), values=values)
