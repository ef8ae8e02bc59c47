"""Exercises of 10_pixels_out: measures, sizes, ways across, stamps and masks."""

import numpy as np
from checking import checked, checked_function

from refconv import models, nn


@checked_function("of two arrays that returns a number")
def check_1(dice):
    """The Dice coefficient of two sets of pixels."""
    found, truth = np.array([[1, 1, 0, 1], [0, 1, 0, 0]]), np.array([[1, 0, 0, 0], [0, 1, 1, 0]])
    value = dice(found, truth)
    assert np.isclose(value, 4 / 7), f"two of four found and three true pixels agree: 4 / 7, and not {value}"
    assert np.isclose(dice(truth, found), value), "it must not matter which of the two is the truth"
    assert np.isclose(dice(truth, truth), 1), "of a set and itself it is 1"


@checked_function("of side and depth that returns a number or None", none=True)
def check_2(output_side):
    """The side of an unpadded U-Net's output, or None."""
    for depth in (1, 2, 3, 4):
        for side in range(1, 160):
            expected, got = _built(side, depth), output_side(side, depth)
            assert got == expected, f"a U-Net of depth {depth} makes {expected} of {side} pixels, and not {got}"


def _built(side, depth):
    try:
        return models.unet(depth=depth).output_shape((side, side, 1))[0]
    except ValueError:
        return None


@checked("a function of one or more numbers of filters that returns a layer")
def check_3(adding_u):
    """A padded U whose ways across are added."""
    made = adding_u(5, 7)
    assert isinstance(made, nn.Layer), f"it must return a layer, but returns {made!r}"
    shape = made.output_shape((8, 12, 3))
    assert shape == (8, 12, 5), f"of (8, 12, 3) the U of 5 and 7 filters makes (8, 12, 5), and not {shape}"
    expected = (3 * 9 * 5 + 5) + (5 * 9 * 5 + 5) + (5 * 9 * 7 + 7) + (7 * 9 * 7 + 7) + (7 * 4 * 5 + 5) + 2 * (5 * 9 * 5 + 5)
    got = made.count_parameters((8, 12, 3))
    assert got == expected, f"it has {expected} parameters where the two are added, and not {got}"
    deeper = adding_u(2, 3, 5).output_shape((8, 12, 1))
    assert deeper == (8, 12, 2), f"the U of 2, 3 and 5 filters makes (8, 12, 2) of (8, 12, 1), and not {deeper}"
    made.build((8, 12, 3), rng=0, dtype=np.float64)
    assert _sees_from_afar(made), "one pixel of the input must be seen 6 pixels away, and that only a way down and up does"


def _sees_from_afar(made):
    x = np.zeros((1, 8, 12, 3))
    other = x.copy()
    other[0, 4, 2] = 100.0
    return np.abs(made(other) - made(x))[0, 4, 8:].max() > 0


@checked_function("of n, kernel and stride that returns an array of counts")
def check_4(stamps):
    """How many stamps of a transposed convolution meet on each pixel."""
    for n, kernel, stride in ((4, 2, 2), (5, 3, 2), (3, 4, 2), (1, 3, 1), (4, 1, 3), (6, 5, 3)):
        expected = np.zeros((n - 1) * stride + kernel, int)
        for i in range(n):
            expected[i * stride : i * stride + kernel] += 1
        got = np.asarray(stamps(n, kernel, stride)).tolist()
        assert got == expected.tolist(), f"stamps({n}, {kernel}, {stride}) is {expected.tolist()}, and not {got}"


@checked_function("of image, spoilt and known that returns the loss and its derivative")
def check_5(masked):
    """The loss of inpainting and its derivative."""
    rng = np.random.default_rng(0)
    image, spoilt = rng.random((2, 4, 5, 3))
    known = (rng.random((4, 5, 1)) < 0.6).astype(float)
    loss, slope = masked(image, spoilt, known)
    expected = ((image - spoilt)[known[..., 0] > 0] ** 2).sum() / 20
    assert np.isclose(loss, expected), f"the loss is {expected:.4f}, and not {loss:.4f}"
    assert slope.shape == image.shape, f"the derivative is as large as the image, {image.shape}, and not {slope.shape}"
    assert not slope[known[..., 0] == 0].any(), "where nothing is known the image may be anything: there the derivative is 0"
    for place in ((0, 0, 0), (2, 3, 1), (3, 4, 2), (1, 1, 0)):
        step = np.zeros_like(image)
        step[place] = 1e-6
        numeric = (masked(image + step, spoilt, known)[0] - masked(image - step, spoilt, known)[0]) / 2e-6
        assert np.isclose(slope[place], numeric, atol=1e-6), (
            f"at {place} the slope is {numeric:.4f}, and not {slope[place]:.4f}"
        )
