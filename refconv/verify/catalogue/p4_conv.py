"""Convolutions on p4, whose equivariance is their definition.

A definition computes the results in another way. Here it rotates the input and ∂e/∂y by 90°, applies the operator and its
derivatives, and rotates the results back. Equal results are the equivariance: symbolic evidence proves it for all numbers.
"""

import numpy as np
from hypothesis import strategies as st

from refconv.geometry import Window
from refconv.verify.case import Case
from refconv.verify.catalogue.strategies import input_sizes, unlike
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["OPERATORS", "turned"]

LIFT = "y[b,i,j,r,o] = bias[o] + Σ_{m,n,c} x[b, i + m, j + n, c] · w[p,q,c,o] with (p,q) = (m,n) rotated r times"
P4 = "y[b,i,j,r,o] = bias[o] + Σ_{m,n,s,c} x[b, i + m, j + n, s, c] · w[p,q,s−r,c,o] with (p,q) = (m,n) rotated r times"


def turned(a, times=1):
    """Rotate a batch by 90° anticlockwise; for functions on p4, also shift the rotation axis.

    >>> turned(np.array([[1, 2], [3, 5]]).reshape(1, 2, 2, 1))[0, ..., 0]
    array([[2, 5],
           [1, 3]])
    """
    a = np.rot90(a, times, axes=(1, 2))
    return np.roll(a, times, axis=3) if a.ndim == 5 else a


def paddings(k):
    """Return the strategy for paddings that are equal on all sides for k × k kernels."""
    zeros = st.integers(0, 2)
    names = ["valid", "full"] + ["same", "same_lower"] * (k % 2)
    return st.sampled_from(names) | zeros | zeros.map(lambda n: (n, n)) | zeros.map(lambda n: ((n, n), (n, n)))


@st.composite
def cases(draw, rotations):
    """Draw a case; the axes ``rotations`` are () for images and (4,) for functions on p4."""
    k = draw(st.integers(1, 3))
    padding = draw(paddings(k))
    most_channels = 2 if rotations else 3  # the loops also sum over rotations
    C, O = draw(st.lists(st.integers(1, most_channels), min_size=2, max_size=2, unique=True))
    N = draw(st.just(1) | unlike({C, O}, 1, 2))
    size = draw(input_sizes(Window((k, k), padding=padding), excluded={C, O}, extra=1))
    shapes = {"x": (N, *size, *rotations, C), "w": (k, k, *rotations, C, O), "b": (O,)}
    return Case(shapes, {"padding": padding})


def row(name, rotations, formula, fixed, worked):
    """Return the row of one p4 convolution."""

    def turned_back(a):
        """Return the results for the rotated input, rotated back."""
        found = operator.results(a.with_arrays(x=turned(a.x), dy=turned(a.dy)))
        return {**found, "y": turned(found["y"], -1), "x": turned(found["x"], -1)}

    operator = Operator(
        name=name,
        family="p4_conv",
        ids="D9",
        formula=formula,
        forward=lambda conv, a: conv(a.x, a.w, a.b, **a.options),
        derivatives=(
            Derivative(f"{name}_dx", ("x",), lambda dx, a: dx(a.dy, a.w, a.x.shape[1:3], **a.options)),
            Derivative(f"{name}_dw", ("w",), lambda dw, a: dw(a.x, a.dy, a.w.shape[:2], **a.options)),
            Derivative("p4_conv2d_db", ("b",), lambda db, a: db(a.dy)),
        ),
        fixed=fixed,
        cases=lambda: cases(rotations),
        draws=12,
        worked=worked,
        definition=turned_back,
    )
    return operator


# Of the four orientations of the kernel, each has the 1 at another pixel of the image.
ORIENTATIONS = Pin(
    "four orientations of one kernel",
    {
        "x": [[[[1], [2]], [[3], [5]]]],
        "w": [[[[1]], [[10]]], [[[100]], [[1000]]]],
        "b": [0],
        "dy": [[[[[1], [10], [0], [0]]]]],
    },
    {
        "y": [[[[[5321], [2513], [1235], [3152]]]]],
        "x": [[[[101], [10010]], [[110], [2000]]]],
        "w": [[[[31]], [[12]]], [[[53]], [[25]]]],
        "b": [11],
    },
)
SHIFTS = Pin(
    "one pixel: rotation r reads rotation s with the weight s − r",
    {
        "x": [[[[[1], [2], [3], [5]]]]],
        "w": [[[[[1]], [[10]], [[100]], [[1000]]]]],
        "b": [0],
        "dy": [[[[[1], [10], [0], [0]]]]],
    },
    {
        "y": [[[[[5321], [1532], [2153], [3215]]]]],
        "x": [[[[[10001], [20], [200], [2000]]]]],
        "w": [[[[[21]], [[32]], [[53]], [[15]]]]],
        "b": [11],
    },
)

OPERATORS = (
    row(
        "p4_lift_conv2d",
        (),
        LIFT,
        (
            Case({"x": (1, 2, 3, 2), "w": (2, 2, 2, 1), "b": (1,)}),
            Case({"x": (1, 1, 2, 1), "w": (3, 3, 1, 2), "b": (2,)}, {"padding": "same"}),
            Case({"x": (2, 1, 2, 3), "w": (2, 2, 3, 1), "b": (1,)}, {"padding": 1}),
        ),
        (ORIENTATIONS,),
    ),
    row(
        "p4_conv2d",
        (4,),
        P4,
        (
            Case({"x": (1, 2, 3, 4, 2), "w": (2, 2, 4, 2, 1), "b": (1,)}),
            Case({"x": (1, 1, 2, 4, 1), "w": (3, 3, 4, 1, 2), "b": (2,)}, {"padding": "same"}),
            Case({"x": (2, 1, 1, 4, 1), "w": (2, 2, 4, 1, 1), "b": (1,)}, {"padding": "full"}),
        ),
        (SHIFTS,),
    ),
)
