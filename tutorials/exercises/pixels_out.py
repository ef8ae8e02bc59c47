"""10 · Pixels in, pixels out: measures, sizes, skip connections, stamps and masks."""

import numpy as np
from checking import checked, checked_function

from refconv import models, nn


@checked_function("of two arrays that returns a number")
def check_1(dice):
    """Check a function that computes the Dice coefficient of two sets of pixels."""
    found, truth = np.array([[1, 1, 0, 1], [0, 1, 0, 0]]), np.array([[1, 0, 0, 0], [0, 1, 1, 0]])
    value = dice(found, truth)
    assert np.isclose(value, 4 / 7), f"two of four found and three true pixels agree: must be 4 / 7, got {value}"
    assert np.isclose(dice(truth, found), value), "exchanging the two arguments must not change the result"
    assert np.isclose(dice(truth, truth), 1), "the coefficient of a set and itself must be 1"


@checked_function("of side and depth that returns a number or None", none=True)
def check_2(output_side):
    """Check a function that returns the side of an unpadded U-Net's output, or None."""
    for depth in (1, 2, 3, 4):
        for side in range(1, 160):
            expected, result = _built(side, depth), output_side(side, depth)
            assert result == expected, f"a U-Net of depth {depth} must give {expected} for {side} pixels, got {result}"


def _built(side, depth):
    try:
        return models.unet(depth=depth).output_shape((side, side, 1))[0]
    except ValueError:
        return None


@checked("a function of one or more numbers of filters that returns a layer")
def check_3(adding_u):
    """Check a padded U-Net that adds instead of concatenating."""
    layer = adding_u(5, 7)
    assert isinstance(layer, nn.Layer), f"the function must return a layer, got {layer!r}"
    shape = layer.output_shape((8, 12, 3))
    assert shape == (8, 12, 5), f"the U of 5 and 7 filters must give (8, 12, 5) for (8, 12, 3), got {shape}"
    expected = (3 * 9 * 5 + 5) + (5 * 9 * 5 + 5) + (5 * 9 * 7 + 7) + (7 * 9 * 7 + 7) + (7 * 4 * 5 + 5) + 2 * (5 * 9 * 5 + 5)
    result = layer.count_parameters((8, 12, 3))
    assert result == expected, f"a U that adds must have {expected} parameters, got {result}"
    deeper = adding_u(2, 3, 5).output_shape((8, 12, 1))
    assert deeper == (8, 12, 2), f"the U of 2, 3 and 5 filters must give (8, 12, 2) for (8, 12, 1), got {deeper}"
    layer.build((8, 12, 3), rng=0, dtype=np.float64)
    assert _affects_far_outputs(layer), "an input pixel must affect outputs 6 pixels away, which takes pooling and upsampling"


def _affects_far_outputs(layer):
    x = np.zeros((1, 8, 12, 3))
    other = x.copy()
    other[0, 4, 2] = 100.0
    return np.abs(layer(other) - layer(x))[0, 4, 8:].max() > 0


@checked_function("of n, kernel and stride that returns an array of counts")
def check_4(stamps):
    """Check the number of stamps of a transposed convolution on each pixel."""
    for n, kernel, stride in ((4, 2, 2), (5, 3, 2), (3, 4, 2), (1, 3, 1), (4, 1, 3), (6, 5, 3)):
        expected = np.zeros((n - 1) * stride + kernel, int)
        for i in range(n):
            expected[i * stride : i * stride + kernel] += 1
        result = np.asarray(stamps(n, kernel, stride)).tolist()
        assert result == expected.tolist(), f"stamps({n}, {kernel}, {stride}) must be {expected.tolist()}, got {result}"


@checked_function("of image, spoilt and known that returns the loss and its derivative")
def check_5(masked):
    """Check a function that computes the loss of inpainting and its derivative."""
    rng = np.random.default_rng(0)
    image, spoilt = rng.random((2, 4, 5, 3))
    known = (rng.random((4, 5, 1)) < 0.6).astype(float)
    loss, slope = masked(image, spoilt, known)
    expected = ((image - spoilt)[known[..., 0] > 0] ** 2).sum() / 20
    assert np.isclose(loss, expected), f"the loss must be {expected:.4f}, got {loss:.4f}"
    assert slope.shape == image.shape, f"the derivative must have the image's shape {image.shape}, got {slope.shape}"
    assert not slope[known[..., 0] == 0].any(), "the loss ignores unknown pixels, so their derivative must be 0"
    for place in ((0, 0, 0), (2, 3, 1), (3, 4, 2), (1, 1, 0)):
        step = np.zeros_like(image)
        step[place] = 1e-6
        numeric = (masked(image + step, spoilt, known)[0] - masked(image - step, spoilt, known)[0]) / 2e-6
        assert np.isclose(slope[place], numeric, atol=1e-6), (
            f"at {place} the derivative must be {numeric:.4f}, got {slope[place]:.4f}"
        )
