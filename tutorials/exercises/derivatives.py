"""03 · ∂e/∂w and ∂e/∂x: by hand, as loops, and how to fool a poor check."""

import inspect

import numpy as np
from checking import SHOWN_ABOVE, checked, checked_function

from refconv import conv2d, conv2d_dx, verify

NO_STRIDE = "right with stride 1; now add the argument stride"


@checked("two lists of numbers, ∂e/∂w and ∂e/∂x")
def check_1(answer):
    """Check ∂e/∂w and ∂e/∂x of a small cross-correlation."""
    x, w, dz = np.array([3, 1, 4, 1, 5]), np.array([2, 7]), np.array([1, 0, -1, 2])
    hints = ("w_m is multiplied with x_{t+m} in z_t", "x_u is in z_u with w_0, and in z_{u-1} with w_1")
    expected = np.correlate(x, dz, "valid"), np.convolve(dz, w, "full")
    for name, numbers, right, hint in zip(("∂e/∂w", "∂e/∂x"), answer, expected, hints, strict=True):
        count = np.size(numbers)
        assert count == len(right), f"{name} must have {len(right)} numbers, like {name[-1]}, got {count}"
        assert list(numbers) == right.tolist(), f"{name} is not {list(numbers)}: {hint}"


@checked("a function of x, dy, kernel_size and stride that returns an array")
def check_2(function):
    """Check a function that computes ∂e/∂w of the layer."""
    assert verify.check(function, "conv2d_dw", seconds=2), SHOWN_ABOVE
    assert "stride" in inspect.signature(function).parameters, NO_STRIDE


@checked("a function of dy, w, input_size and stride that returns an array")
def check_3(function):
    """Check a function that computes ∂e/∂x of the layer with a stride."""
    assert verify.check(function, "conv2d_dx", seconds=2), SHOWN_ABOVE
    assert "stride" in inspect.signature(function).parameters, NO_STRIDE


@checked_function("of dy, w and input_size that returns an array")
def check_4(fooling):
    """Check a wrong ∂e/∂x that is right if ∂e/∂y is 1 everywhere."""
    rng = np.random.default_rng(4)
    for size, kernel in (((5, 4), (2, 3)), ((4, 6), (3, 2))):
        w = rng.normal(size=(*kernel, 3, 2))
        ones = np.ones(conv2d(np.zeros((2, *size, 3)), w).shape)
        passes = np.allclose(fooling(ones, w, size), conv2d_dx(ones, w, size))
        assert passes, f"on {size} pixels, with a kernel of {kernel}, it is wrong for ∂e/∂y = 1: the check would notice"
        dy = rng.normal(size=ones.shape)
        assert not np.allclose(fooling(dy, w, size), conv2d_dx(dy, w, size)), "it is also right for a random ∂e/∂y"


@checked("a function of dy that returns an array")
def check_5(function):
    """Check a function that computes ∂e/∂bias of the layer."""
    assert verify.check(function, "conv2d_db", seconds=2), SHOWN_ABOVE
