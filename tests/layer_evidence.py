"""Assertions for every layer: shapes, derivatives, counts, and no state between passes."""

import numpy as np

from refconv.verify.catalogue.combinators import row
from refconv.verify.catalogue.layer_functions import Make, layer_case
from refconv.verify.evidence.numeric import numeric

N = 3

__all__ = ["assert_consecutive", "assert_layer", "built", "random_input"]


def built(layer, shape, seed=1, dtype=np.float64):
    """Build the layer, move its parameters away from zero and one, and return it."""
    layer.build(shape, rng=seed, dtype=dtype)
    rng = np.random.default_rng(seed + 1)
    for name, parameter in layer.named_parameters().items():
        parameter.value += rng.uniform(0.1, 0.6, parameter.value.shape).astype(dtype)
        assert parameter.value.dtype == dtype, name
    return layer


def random_input(shape, seed=5, dtype=np.float64):
    """Return distinct numbers around zero.

    Their distances from zero and from one another are so large that the small steps of central differences cross no kink.
    """
    size = int(np.prod(shape)) * N
    numbers = np.random.default_rng(seed).permutation(np.linspace(-2, 2, size) + 0.37 / size)
    return numbers.reshape(N, *shape).astype(dtype)


def assert_layer(layer, shape, train=True, positive=()):
    """Assert everything that a layer guarantees, for inputs of this shape.

    The arrays named in ``positive`` contain only positive numbers.
    """
    layer.output_shape(shape)
    assert not layer.is_built, "computing a shape must not create parameters"
    counted, trainable = layer.count_parameters(shape), layer.count_parameters(shape, trainable_only=True)
    case = layer_case(Make(lambda: layer), shape, train, positive)
    # Checks the output shape and the gradients, that gradients are added, and that neither the input nor the layer changes.
    numeric(row("nn.Layer", "", "", case), case)
    parameters = layer.named_parameters().values()
    counters = sum(spec.counter for _, inner, at in layer.distinct_layers(shape) for spec in inner.specs(at).values())
    assert sum(p.value.size for p in parameters) == counted + counters
    assert sum(p.value.size for p in parameters if p.trainable) == trainable


def assert_consecutive(layer):
    """Assert that all values and gradients are views of two flat arrays, in order.

    Parameters without a gradient come last.
    """
    trainable = [p for p in layer.named_parameters().values() if p.grad is not None]
    (flat,) = {p.flat for p in layer.named_parameters().values()}
    in_order = [*trainable, *(p for p in layer.named_parameters().values() if p.grad is None)]
    np.testing.assert_array_equal(flat.values, np.concatenate([p.value.ravel() for p in in_order]))
    np.testing.assert_array_equal(flat.gradients, np.concatenate([p.grad.ravel() for p in trainable]))
    offset = 0
    for parameter in in_order:
        assert parameter.offset == offset
        assert np.shares_memory(parameter.value, flat.values[offset : offset + parameter.value.size])
        assert parameter.grad is None or np.shares_memory(
            parameter.grad, flat.gradients[offset : offset + parameter.grad.size]
        )
        assert parameter.value.flags.c_contiguous
        offset += parameter.value.size
    assert offset == flat.values.size
