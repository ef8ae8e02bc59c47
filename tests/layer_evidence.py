"""What holds for every layer: shapes foreseen, derivatives right, nothing counted wrong, nothing kept between passes."""

import numpy as np

from evidence import assert_inputs_unchanged, assert_is_derivative
from refconv.nn import BatchNorm

N = 3

__all__ = ["assert_layer", "built", "random_input"]


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


def assert_layer(layer, shape, train=True):
    """All that a layer promises, for inputs of this shape."""
    foreseen = layer.output_shape(shape)
    assert layer.parameters is None, "looking at shapes must not make parameters"
    counted, trainable = layer.count_parameters(shape), layer.count_parameters(shape, trainable_only=True)
    built(layer, shape)
    parameters = layer.named_parameters()
    assert sum(p.value.size for p in parameters.values()) == counted
    assert sum(p.value.size for p in parameters.values() if p.trainable) == trainable

    x = random_input(shape)
    y, backward = layer.forward(x, train)
    assert y.shape == (N, *foreseen)
    dy = np.random.default_rng(7).standard_normal(y.shape)
    # A second pass with another input must not disturb the way back of the first.
    layer.forward(random_input(shape, seed=6), train)
    layer.zero_grad()
    dx = backward(dy)
    assert_is_derivative(dx, lambda x: layer.forward(x, train)[0], x, dy)
    _assert_parameter_gradients(layer, x, dy, train)
    _assert_accumulates(layer, x, dy, train)
    if not any(isinstance(inner, BatchNorm) for inner in [layer]):
        assert_inputs_unchanged(lambda x, dy: np.array(layer.forward(x, train)[1](dy)), x, dy)


def _assert_parameter_gradients(layer, x, dy, train):
    for name, parameter in layer.named_parameters().items():
        if not parameter.trainable:
            continue

        def output(value, parameter=parameter):
            kept = parameter.value.copy()
            parameter.value[...] = value
            y = layer.forward(x, train)[0]
            parameter.value[...] = kept
            return y

        assert name
        assert_is_derivative(parameter.grad, output, parameter.value, dy)


def _assert_accumulates(layer, x, dy, train):
    """A second way back adds to the gradients; without want_dx they are the same."""
    once = {name: p.grad.copy() for name, p in layer.named_parameters().items() if p.trainable}
    layer.forward(x, train)[1](dy, want_dx=False)
    for name, grad in once.items():
        np.testing.assert_allclose(layer.named_parameters()[name].grad, 2 * grad, rtol=1e-12, atol=1e-12, err_msg=name)
