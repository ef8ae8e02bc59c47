"""06 · More convolutions: stamps, input sizes, dilations, separable kernels and groups."""

import numpy as np
from checking import SHOWN_ABOVE, checked, checked_function

from refconv import Window, conv2d, conv2d_dx, nn, receptive_field, separable_conv2d, verify


@checked("a function of x, w and stride that returns an array")
def check_1(transposed):
    """Check a function that computes a transposed convolution with a stride as stamps."""
    verdict = verify.check(transposed, "conv_transpose2d", seconds=2)
    assert verdict, SHOWN_ABOVE


@checked("a tuple of numbers")
def check_2(sizes):
    """Check the input sizes that give 5 outputs with kernel 4, stride 3 and padding 1."""
    assert np.iterable(sizes), f"the answer must be a tuple of all possible sizes, got only {sizes}"
    window = Window((4,), stride=3, padding=1)
    for n in sizes:
        assert window.output_size((n,)) == (5,), f"{n} inputs give {window.output_size((n,))[0]} outputs"
    assert len(set(sizes)) == 3, "with stride 3, three input sizes give the same output size, one for each remainder"


@checked("a tuple of five numbers")
def check_3(dilations):
    """Check the dilations with which five 3 × 3 layers see each of 63 × 63 pixels."""
    assert np.iterable(dilations), f"the answer must be a tuple of five numbers, one for each layer, got only {dilations}"
    assert len(dilations) == 5, f"there must be five dilations, one for each layer, got {len(dilations)}"
    size = receptive_field([Window((3, 3), dilation=D) for D in dilations])
    assert size == (63, 63), f"the receptive field must be 63 × 63, got {size[0]} × {size[1]}"
    ways = np.zeros((1, 63, 63, 1))
    ways[0, 31, 31] = 1
    for D in dilations:
        ways = conv2d_dx(ways, np.ones((3, 3, 1, 1)), (63, 63), padding="same", dilation=D)
    assert ways.all(), f"{np.count_nonzero(ways == 0)} of 63 · 63 pixels are not seen"


@checked_function("of depthwise and pointwise that returns an array")
def check_4(together):
    """Check the kernel of a plain convolution that replaces a depthwise and a pointwise one."""
    rng = np.random.default_rng(4)
    x, depthwise, pointwise = (rng.normal(size=size) for size in ((2, 6, 7, 3), (3, 2, 3, 2), (1, 1, 6, 5)))
    kernel = np.asarray(together(depthwise, pointwise))
    assert kernel.shape == (3, 2, 3, 5), f"the kernel must have shape (3, 2, 3, 5) for these factors, got {kernel.shape}"
    difference = np.abs(conv2d(x, kernel) - separable_conv2d(x, depthwise, pointwise)).max()
    assert difference < 1e-9, f"the convolution with this kernel differs from the two by up to {difference:.3g}"


@checked("a number of groups")
def check_5(groups):
    """Check the smallest number of groups with fewer weights than a depthwise separable layer."""

    def weights(layer):
        return layer.count_parameters((14, 14, 256))

    separable = weights(nn.SeparableConv2D(256, 3, bias=False))
    assert groups in range(1, 257), f"the number of groups must be 1 to 256, got {groups}"
    assert 256 % groups == 0, f"256 channels cannot be divided into {groups} groups of equal size"
    grouped = weights(nn.Conv2D(256, 3, groups=groups, bias=False))
    assert grouped < separable, f"{groups} groups have {grouped:,} weights, the separable layer has {separable:,}"
    halved = weights(nn.Conv2D(256, 3, groups=groups // 2, bias=False))
    assert halved >= separable, f"{groups // 2} groups suffice: {halved:,} weights against {separable:,}"
