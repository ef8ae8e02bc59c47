"""07 · Architectures: receptive fields, blocks, weights, and identities."""

import math

import numpy as np
from checking import checked, checked_function

import refconv
from refconv import analysis, nn
from refconv.models.densenet import dense_block
from refconv.models.published.claim import count_weights


@checked("two numbers: layers and share")
def check_1(answer):
    """Check how many 3 × 3 layers see 11 × 11 pixels, and their share of the weights."""
    layers, share = answer
    assert layers == 5, f"{layers} layers of 3 × 3 see {1 + 2 * layers} pixels along each axis, not 11: each layer adds 2"
    assert math.isclose(share, 45 / 121, rel_tol=0.01), (
        f"each of the 5 layers has 9 K² weights, the single layer has 121 K²: the share is not {share}"
    )


@checked("a function of before and after that returns a layer")
def check_2(block):
    """Check a residual block of two 3 × 3 convolutions with a projection.

    It has ``before`` input and ``after`` output channels, and halves the image's size.
    """
    shape, before, after = (14, 18, 6), 6, 10
    layer = block(before, after)
    try:
        output = layer.output_shape(shape)
    except ValueError as error:
        raise AssertionError(f"the outputs of the two branches cannot be added: {error}") from error
    assert output == (7, 9, after), f"the output must have shape {(7, 9, after)} for an input of {shape}, got {output}"
    assert analysis.count_paths(layer) == 2, f"there must be two paths from input to output, got {analysis.count_paths(layer)}"
    weights = 9 * before * after + 9 * after * after + before * after
    counted = count_weights(layer, shape)
    assert counted == weights, f"its kernels must have {weights} weights together, got {counted}"
    relus, norms = (_count(layer, kind) for kind in (nn.ReLU, nn.BatchNorm))
    assert norms == 3, f"there must be three batch normalisations, one after each convolution, got {norms}"
    assert relus == 2, f"there must be two ReLUs, one between the 3 × 3 convolutions and one at the end, got {relus}"
    layer.build(shape, rng=0)
    biases = [name for name in layer.named_parameters() if name.endswith(".b")]
    assert not biases, f"normalisation cancels a bias, so leave out {', '.join(biases)}"
    assert (layer(np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)) >= 0).all(), "a ReLU must come last"


@checked_function("of depth, growth and channels that returns a number")
def check_3(weights):
    """Check the number of 3 × 3 weights of a dense block without bottlenecks."""
    for depth, growth, channels in ((1, 5, 7), (3, 4, 11), (12, 12, 24)):
        expected = count_weights(dense_block(depth, growth, bottleneck=False), (8, 9, channels))
        result = weights(depth, growth, channels)
        assert result == expected, (
            f"{depth} layers with a growth of {growth} after {channels} channels have {expected} weights, got {result}"
        )


@checked_function("of a, b and w that returns an array")
def check_4(conv_of_concat):
    """Check a 1 × 1 convolution of a concatenation that does not concatenate."""
    rng = np.random.default_rng(0)
    for of_a, of_b in ((2, 2), (3, 1), (1, 4)):
        a, b = rng.normal(size=(2, 3, 5, of_a)), rng.normal(size=(2, 3, 5, of_b))
        w = rng.normal(size=(1, 1, of_a + of_b, 6))
        expected = refconv.conv2d(np.concatenate([a, b], axis=-1), w)
        result = np.asarray(conv_of_concat(a, b, w))
        assert result.shape == expected.shape, f"the output must have shape {expected.shape}, got {result.shape}"
        assert np.allclose(result, expected), f"the numbers are wrong for {of_a} channels of a and {of_b} of b"


@checked("a network of one input and one output")
def check_5(network):
    """Check a network that multiplies by 30 with at most ten identities."""
    value = float(network(np.array([[1.0]]))[0, 0])
    assert value == 30, f"the output for an input of 1 must be 30, got {value:g}"
    count = _count(network, nn.Identity)
    assert count <= 10, f"it must have at most 10 identities, got {count}: products need fewer than sums"


def _count(layer, kind):
    return isinstance(layer, kind) + sum(_count(inner, kind) for _, inner in layer.named_layers())
