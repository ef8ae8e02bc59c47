"""What holds for every layer: shapes foreseen, derivatives right, nothing counted wrong, nothing kept between passes."""

import numpy as np

from refconv.verify.catalogue.combinators import row
from refconv.verify.catalogue.layer_functions import Make, layer_case
from refconv.verify.evidence.numeric import numeric

N = 3

__all__ = ["assert_consecutive", "assert_layer", "built", "random_input"]


def built(layer, shape, seed=1, dtype=np.float64):
    """The layer with parameters, none of which is left at its special first value such as zero or one."""
    layer.build(shape, rng=seed, dtype=dtype)
    rng = np.random.default_rng(seed + 1)
    for name, parameter in layer.named_parameters().items():
        parameter.value += rng.uniform(0.1, 0.6, parameter.value.shape).astype(dtype)
        assert parameter.value.dtype == dtype, name
    return layer


def random_input(shape, seed=5, dtype=np.float64):
    """Distinct numbers around zero, none so close to it or to another that a small step crosses a kink."""
    size = int(np.prod(shape)) * N
    numbers = np.random.default_rng(seed).permutation(np.linspace(-2, 2, size) + 0.37 / size)
    return numbers.reshape(N, *shape).astype(dtype)


def assert_layer(layer, shape, train=True, positive=()):
    """All that a layer promises, for inputs of this shape; the arrays named get positive numbers only."""
    layer.output_shape(shape)
    assert not layer.is_built, "looking at shapes must not make parameters"
    counted, trainable = layer.count_parameters(shape), layer.count_parameters(shape, trainable_only=True)
    case = layer_case(Make(lambda: layer), shape, train, positive)
    # The output shape, the gradients, that they are added, and that neither the input nor the layer changes.
    numeric(row("nn.Layer", "", "", case), case)
    parameters = layer.named_parameters().values()
    counters = sum(spec.counter for _, inner, at in layer.distinct_layers(shape) for spec in inner.specs(at).values())
    assert sum(p.value.size for p in parameters) == counted + counters
    assert sum(p.value.size for p in parameters if p.trainable) == trainable


def assert_consecutive(layer):
    """Every value and gradient is a view of one flat array, in order, and those without a gradient come last."""
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
