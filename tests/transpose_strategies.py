"""Hypothesis strategies for problems of the transposed convolution.

Each problem is derived from a problem of the convolution, with input and output exchanged.
"""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from refconv.geometry import Window
from strategies import conv_problems, problem, small_floats

__all__ = ["TransposeProblem", "transpose_problem", "transpose_problems", "with_fewer_inputs"]


@dataclass(frozen=True, repr=False, eq=False)
class TransposeProblem:
    """Arrays, window and groups for the forward and backward pass of one transposed convolution."""

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
        """Difference between the size of y and the smallest possible size.

        The smallest size may be 0 or negative, because the padding removes pixels.
        """
        extra = 9  # enlarges x so that all sizes are positive; each more pixel of x means S more pixels of y
        sizes = self.window.transposed_output_size([n + extra for n in self.x.shape[1:-1]])
        least = [size - extra * S for size, S in zip(sizes, self.window.stride, strict=True)]
        return tuple(n - m for n, m in zip(self.output_size, least, strict=True))

    @property
    def options(self):
        """Keyword arguments of the convolution that is transposed."""
        window = self.window
        return {
            "stride": window.stride,
            "padding": window.padding,
            "dilation": window.dilation,
            "groups": self.groups,
        }

    @property
    def transposed_options(self):
        """Keyword arguments of the transposed convolution and its derivatives."""
        return {**self.options, "output_padding": self.output_padding}

    def __repr__(self):
        shapes = ", ".join(f"{name} {getattr(self, name).shape}" for name in ("x", "w", "dy"))
        return f"<{self.x.dtype} {shapes}, groups {self.groups}, {self.window}>"

    def _repr_pretty_(self, printer, cycle):  # without it, Hypothesis would print every element
        printer.text(repr(self))


def transposed(p, seed=0, values=small_floats):
    """Return the problem with input and output of a convolution's problem exchanged."""
    b = values(p.x.shape[-1:], seed, p.x.dtype)
    return TransposeProblem(x=p.dy, w=p.w, b=b, dy=p.x, window=p.window, groups=p.groups)


def with_fewer_inputs(p, fewer):
    """Return the problem without the last inputs, ``fewer`` along each axis.

    The output keeps its size, so each of them adds the stride to the output padding.
    """
    kept = tuple(slice(n - m) for n, m in zip(p.x.shape[1:-1], fewer, strict=True))
    return replace(p, x=np.ascontiguousarray(p.x[(slice(None), *kept)]))


@st.composite
def large_output_paddings(draw, p):
    """Draw how many inputs to remove; the output padding is then often the stride or more."""
    window, fewer = p.window, []
    for n, e, S, D in zip(p.x.shape[1:-1], p.output_padding, window.stride, window.dilation, strict=True):
        fewer.append(draw(st.integers(0, min(n - 1, max(0, (max(S, D) - 1 - e) // S)))))
    return with_fewer_inputs(p, fewer)


def transpose_problem(output_size, window, *, C_g=2, O_g=3, seed=0, values=small_floats, **settings):
    """Return a :class:`TransposeProblem` with exactly this size of y.

    Each group has C_g input channels and O_g output channels.
    """
    p = problem(output_size, window, C_g=O_g, O_g=C_g, seed=seed, values=values, **settings)
    return transposed(p, seed + 4, values)


def transpose_problems(ndim=2, *, values=small_floats, below_stride=False, **settings):
    """Draw a :class:`TransposeProblem` with any window, output padding and number of groups.

    Groups may have several input and several output channels. With ``below_stride``, each output padding is below the stride.
    """
    problems = st.builds(transposed, conv_problems(ndim, values=values, **settings), st.integers(0, 99), st.just(values))
    return problems if below_stride else problems.flatmap(large_output_paddings)
