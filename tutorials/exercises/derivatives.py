"""03 · ∂e/∂w and ∂e/∂x: by hand, as loops, and how to fool a poor check."""

import inspect

import numpy as np
from lesson import checked, checked_function

from refconv import conv2d, conv2d_dx, verify

NOT_YET = "not yet: the smallest case in which it is wrong stands above"
NO_STRIDE = "right with stride 1; now let it take a stride"


@checked
def check_1(answer):
    """What are ∂e/∂w and ∂e/∂x of a small cross-correlation?"""
    x, w, dz = np.array([3, 1, 4, 1, 5]), np.array([2, 7]), np.array([1, 0, -1, 2])
    hints = ("w_m is multiplied with x_{t+m} in z_t", "x_u is in z_u with w_0, and in z_{u-1} with w_1")
    expected = np.correlate(x, dz, "valid"), np.convolve(dz, w, "full")
    for name, numbers, right, hint in zip(("∂e/∂w", "∂e/∂x"), answer, expected, hints, strict=True):
        count = np.size(numbers)
        assert count == len(right), f"{name} has as many numbers as {name[-1]}, {len(right)}; yours has {count}"
        assert list(numbers) == right.tolist(), f"{name} is not {list(numbers)}: {hint}"


# dw_0 = 3·1 + 1·0 − 4 + 1·2 and dw_1 = 1·1 + 4·0 − 1 + 5·2; dx: each dz_t stamps (2, 7) · dz_t at t and t + 1.
answer_1 = ([1, 10], [2, 7, -2, -3, 14])
mistake_1 = ([1, 10], [7, 2, -7, 12, 4])  # the kernel flipped


def windows(dy, stride):
    """Each output (i, j) with the first row and column of its window."""
    S_h, S_w = stride if isinstance(stride, tuple) else (stride, stride)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            yield i, j, i * S_h, j * S_w


@checked
def check_2(mine):
    """How do you write ∂e/∂w of the layer?"""
    assert verify.check(mine, "conv2d_dw", seconds=2), NOT_YET
    assert "stride" in inspect.signature(mine).parameters, NO_STRIDE


def answer_2(x, dy, kernel_size, stride=1):
    """Each output adds its window of x, times its ∂e/∂y: the sum over the batch is in the product of matrices."""
    kh, kw = kernel_size
    dw = np.zeros((kh, kw, x.shape[3], dy.shape[3]))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dw[m, n] += x[:, top + m, left + n].T @ dy[:, i, j]
    return dw


def mistake_2(x, dy, kernel_size, stride=1):
    """The mean over the batch, which would be right if the error were one; the layer does not know that."""
    return answer_2(x, dy, kernel_size, stride) / len(x)


@checked
def check_3(mine):
    """How do you write ∂e/∂x of the layer, with a stride?"""
    assert verify.check(mine, "conv2d_dx", seconds=2), NOT_YET
    assert "stride" in inspect.signature(mine).parameters, NO_STRIDE


def answer_3(dy, w, input_size, stride=1):
    """Each output sends its ∂e/∂y back along the weights, into the window that it came from."""
    kh, kw, C, _O = w.shape
    dx = np.zeros((len(dy), *input_size, C))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dx[:, top + m, left + n] += dy[:, i, j] @ w[m, n].T
    return dx


def mistake_3(dy, w, input_size, stride=1):
    """Where windows overlap, the last one wins."""
    kh, kw, C, _O = w.shape
    dx = np.zeros((len(dy), *input_size, C))
    for i, j, top, left in windows(dy, stride):
        for m in range(kh):
            for n in range(kw):
                dx[:, top + m, left + n] = dy[:, i, j] @ w[m, n].T
    return dx


@checked_function
def check_4(fooling):
    """Which wrong ∂e/∂x passes a check in which ∂e/∂y is 1 everywhere?"""
    rng = np.random.default_rng(4)
    for size, kernel in (((5, 4), (2, 3)), ((4, 6), (3, 2))):
        w = rng.normal(size=(*kernel, 3, 2))
        ones = np.ones(conv2d(np.zeros((2, *size, 3)), w).shape)
        passes = np.allclose(fooling(ones, w, size), conv2d_dx(ones, w, size))
        assert passes, f"on {size} pixels, with a kernel of {kernel}, it is wrong for ∂e/∂y = 1: the check would notice"
        dy = rng.normal(size=ones.shape)
        assert not np.allclose(fooling(dy, w, size), conv2d_dx(dy, w, size)), "it is right for a random ∂e/∂y too: no foul"


def answer_4(dy, w, input_size):
    """Whatever exchanges the elements of ∂e/∂y leaves a field of ones as it is: here it is mirrored."""
    return conv2d_dx(dy[:, :, ::-1], w, input_size)


def mistake_4(dy, w, input_size):
    """The flipped kernel is noticed even so: at the edges not every weight arrives."""
    return conv2d_dx(dy, w[::-1, ::-1], input_size)


@checked
def check_5(mine):
    """What is ∂e/∂bias of the layer?"""
    assert verify.check(mine, "conv2d_db", seconds=2), NOT_YET


def answer_5(dy):
    """∂y_{b,i,j,o} / ∂bias_o is 1 at every pixel of every image, so the sum over all of them remains."""
    return dy.sum((0, 1, 2))


def mistake_5(dy):
    """The sum over the batch is forgotten: one bias for each image."""
    return dy.sum((1, 2))
