"""Exercises of 07 · From LeNet to DenseNet: their checks, worked answers, and mistakes that are easily made."""

import math

import numpy as np
from lesson import checked, checked_function

import refconv
from refconv import analysis, nn
from refconv.models.densenet import dense_block
from refconv.models.published.claim import count_weights


@checked
def check_1(answer):
    """How many 3 × 3 layers see as much as one of 11 × 11, and with which share of its weights?"""
    layers, share = answer
    assert layers == 5, f"{layers} layers of 3 × 3 see {1 + 2 * layers} pixels along each axis, not 11: each adds two"
    assert math.isclose(share, 45 / 121, rel_tol=0.01), (
        f"each of the 5 layers has 9 K² weights, the one has 121 K²: not {share}"
    )


answer_1 = (5, 5 * 9 / 121)  # 1 + 2·5 = 11 pixels; K² is the same in both
mistake_1 = (4, 4 * 9 / 121)  # the first layer sees three pixels, but starts from one


@checked
def check_2(block):
    """A residual block of two 3 × 3 convolutions, ``before`` to ``after`` channels at half the size, with a projection."""
    shape, before, after = (14, 18, 6), 6, 10
    made = block(before, after)
    try:
        output = made.output_shape(shape)
    except ValueError as error:
        raise AssertionError(f"the ways do not fit together: {error}") from error
    assert output == (7, 9, after), f"an input of {shape} should come out as {(7, 9, after)}, but comes out as {output}"
    assert analysis.count_paths(made) == 2, (
        f"there should be two ways from input to output, but there are {analysis.count_paths(made)}"
    )
    weights = 9 * before * after + 9 * after * after + before * after
    counted = count_weights(made, shape)
    assert counted == weights, f"its kernels should have {weights} weights together, but have {counted}"
    relus, norms = (_count(made, kind) for kind in (nn.ReLU, nn.BatchNorm))
    assert norms == 3, f"batch normalisation should follow each of the three convolutions, but there are {norms}"
    assert relus == 2, f"there should be a ReLU between the two 3 × 3 convolutions and one at the end, but there are {relus}"
    made.build(shape, rng=0)
    biases = [name for name in made.named_parameters() if name.endswith(".b")]
    assert not biases, f"normalisation cancels a bias, so leave out {', '.join(biases)}"
    assert (made(np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)) >= 0).all(), "a ReLU should come last"


def answer_2(before, after):
    def conv(size, stride=1):
        return (nn.Conv2D(after, size, stride=stride, padding=size // 2, bias=False), nn.BatchNorm())

    main = nn.Sequential(*conv(3, stride=2), nn.ReLU(), *conv(3))
    shortcut = nn.Sequential(*conv(1, stride=2))  # both ways must halve the size, or they cannot be added
    return nn.Sequential(nn.Sum(main, shortcut), nn.ReLU())


def mistake_2(before, after):
    main = nn.Sequential(nn.Conv2D(after, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2D(after, 3, padding=1))
    return nn.Sequential(nn.Sum(main, nn.Conv2D(after, 1)), nn.ReLU())  # the shortcut has no stride


@checked_function
def check_3(weights):
    """How many weights have the 3 × 3 convolutions of a dense block without bottlenecks?"""
    for depth, growth, channels in ((1, 5, 7), (3, 4, 11), (12, 12, 24)):
        expected = count_weights(dense_block(depth, growth, bottleneck=False), (8, 9, channels))
        found = weights(depth, growth, channels)
        assert found == expected, (
            f"{depth} layers with a growth of {growth} behind {channels} channels have {expected} weights, not {found}"
        )


def answer_3(depth, growth, channels):
    # Layer l sees the block's input and what the l layers before it have added.
    return sum(9 * (channels + layer * growth) * growth for layer in range(depth))


def mistake_3(depth, growth, channels):
    return depth * 9 * channels * growth  # as if each layer saw the block's input only


@checked_function
def check_4(behind_concat):
    """A 1 × 1 convolution behind a concatenation, without concatenating."""
    rng = np.random.default_rng(0)
    for of_a, of_b in ((2, 2), (3, 1), (1, 4)):
        a, b = rng.normal(size=(2, 3, 5, of_a)), rng.normal(size=(2, 3, 5, of_b))
        w = rng.normal(size=(1, 1, of_a + of_b, 6))
        expected = refconv.conv2d(np.concatenate([a, b], axis=-1), w)
        found = np.asarray(behind_concat(a, b, w))
        assert found.shape == expected.shape, f"the output should have shape {expected.shape}, but has {found.shape}"
        assert np.allclose(found, expected), f"the numbers are wrong for {of_a} channels of a and {of_b} of b"


def answer_4(a, b, w):
    of_a = a.shape[-1]  # w[0, 0] has a row for each channel, first those of a
    return refconv.conv2d(a, w[:, :, :of_a]) + refconv.conv2d(b, w[:, :, of_a:])


def mistake_4(a, b, w):
    half = w.shape[2] // 2  # right only if a and b have equally many channels
    return a @ w[0, 0, : a.shape[-1]] + b @ w[0, 0, half : half + b.shape[-1]]


@checked
def check_5(network):
    """Thirty, with at most ten identities."""
    value = float(network(np.array([[1.0]]))[0, 0])
    assert value == 30, f"it makes {value:g} of 1, not 30"
    count = _count(network, nn.Identity)
    assert count <= 10, f"it has {count} identities: products need fewer than sums"


def _count(layer, kind):
    return isinstance(layer, kind) + sum(_count(inner, kind) for _, inner in layer.named_layers())


def _times(n):
    return nn.Sum(*(nn.Identity() for _ in range(n)))


answer_5 = nn.Sequential(_times(2), _times(3), _times(5))  # 30 = 2 · 3 · 5, with 2 + 3 + 5 identities
mistake_5 = _times(30)
