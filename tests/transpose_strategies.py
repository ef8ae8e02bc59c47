"""Problems of the transposed convolution: those of the convolution that it transposes, seen from the other side."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from refconv.geometry import Window
from strategies import conv_problems, problem, small_floats

__all__ = ["TransposeProblem", "transpose_problem", "transpose_problems"]


@dataclass(frozen=True, repr=False, eq=False)
class TransposeProblem:
    """Everything that one transposed convolution needs, forward and back."""

    x: np.ndarray  # (N, *rows and columns, C)
    w: np.ndarray  # (*kernel, O / groups, C)
    b: np.ndarray  # (O,)
    dy: np.ndarray  # (N, *output_size, O)
    window: Window
    groups: int

    @property
    def output_size(self):
        """Size of y, without batch and channels."""
        return self.dy.shape[1:-1]

    @property
    def output_padding(self):
        """By how much y is larger than the smallest one, which may have no pixel at all: the padding cuts them off."""
        far = 9  # each pixel more of x is S more of y
        sizes = self.window.transposed_output_size([n + far for n in self.x.shape[1:-1]])
        least = [size - far * S for size, S in zip(sizes, self.window.stride, strict=True)]
        return tuple(n - m for n, m in zip(self.output_size, least, strict=True))

    @property
    def options(self):
        """The keyword arguments of the derivatives; the forward pass takes output_padding too."""
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


def seen_from_the_other_side(p, seed=0, values=small_floats):
    """A convolution's problem, its output our input and its input our output."""
    b = values(p.x.shape[-1:], seed, p.x.dtype)
    return TransposeProblem(x=p.dy, w=p.w, b=b, dy=p.x, window=p.window, groups=p.groups)


def transpose_problem(output_size, window, *, C_g=2, O_g=3, seed=0, values=small_floats, **settings):
    """One :class:`TransposeProblem` whose y is of this very size, with C_g inputs and O_g outputs a group."""
    p = problem(output_size, window, C_g=O_g, O_g=C_g, seed=seed, values=values, **settings)
    return seen_from_the_other_side(p, seed + 4, values)


def transpose_problems(ndim=2, *, values=small_floats, **settings):
    """:class:`TransposeProblem` with every window and output padding, and groups of several channels on both sides."""
    return st.builds(
        seen_from_the_other_side, conv_problems(ndim, values=values, **settings), st.integers(0, 99), st.just(values)
    )
