"""Tests of auxiliary heads: outputs in training and inference, and the sum of gradients."""

import numpy as np
import pytest

from evidence import assert_is_derivative
from layer_evidence import built, random_input
from refconv import nn
from refconv.training import CrossEntropy


def model():
    trunk = nn.Sequential(a=nn.Dense(4), b=nn.Tanh(), c=nn.Dense(5), d=nn.Tanh(), e=nn.Dense(2))
    return nn.Heads(trunk, b=nn.Dense(3), d=nn.Sequential(nn.Tanh(), nn.Dense(6)))


def test_shapes_counts_and_parameter_names_of_heads():
    heads = model()
    assert heads.output_shape((7,)) == (2,)
    assert heads.count_parameters((7,)) == (7 + 1) * 4 + (4 + 1) * 5 + (5 + 1) * 2 + (4 + 1) * 3 + (5 + 1) * 6
    assert heads.multiply_adds((7,)) == 7 * 4 + 4 * 5 + 5 * 2 + 4 * 3 + 5 * 6
    built(heads, (7,))
    weights = [name for name in heads.named_parameters() if name.endswith("w")]
    assert weights == [
        "trunk.a.w",
        "trunk.c.w",
        "trunk.e.w",
        "head_b.w",
        "head_d.1.w",
    ]


def test_inference_computes_only_the_trunk():
    heads = built(model(), (7,))
    x = random_input((7,))
    np.testing.assert_array_equal(heads(x), heads.trunk(x))
    scores, *auxiliary = heads.forward(x)[0]
    np.testing.assert_array_equal(scores, heads(x))
    assert [output.shape[1:] for output in auxiliary] == [(3,), (6,)]


def test_activations_returns_the_output_of_a_head_and_of_its_layers():
    heads = built(model(), (7,))
    x = random_input((7,))
    _, at_b, at_d = heads.forward(x)[0]
    np.testing.assert_array_equal(heads.activations(x, "head_b"), at_b)
    np.testing.assert_array_equal(heads.activations(x, "head_d"), at_d)
    np.testing.assert_allclose(heads.activations(x, "head_d.0"), np.tanh(heads.trunk.activations(x, "d")), rtol=1e-12)


def test_backward_is_the_derivative_of_all_three_outputs():
    heads = built(model(), (7,))
    x = random_input((7,))
    values, backward = heads.forward(x)
    dy = [np.random.default_rng(k).standard_normal(value.shape) for k, value in enumerate(values)]

    def concatenated(values):
        return np.concatenate([value.ravel() for value in values])

    assert_is_derivative(backward(dy), lambda x: concatenated(heads.forward(x)[0]), x, concatenated(dy))
    heads.zero_grad()
    assert backward(dy, want_dx=False) is None
    for name, parameter in heads.named_parameters().items():

        def output(value, parameter=parameter):
            original = parameter.value.copy()
            parameter.value[...] = value
            y = concatenated(heads.forward(x)[0])
            parameter.value[...] = original
            return y

        assert name
        assert_is_derivative(parameter.grad, output, parameter.value, concatenated(dy))


def test_the_loss_weights_the_heads_and_its_gradients_match():
    rng = np.random.default_rng(2)
    scores, labels = [rng.standard_normal((4, classes)) for classes in (3, 5, 6)], np.array([0, 2, 1, 2])
    scores, cross_entropy = tuple(scores), CrossEntropy(label_smoothing=0.1, aux_weight=0.3)
    loss, dscores = cross_entropy(scores, labels)
    for k in range(3):

        def one(part, k=k):
            return np.array([cross_entropy(tuple(part if j == k else s for j, s in enumerate(scores)), labels)[0]])

        assert_is_derivative(dscores[k], one, scores[k], np.ones(1))
    assert loss > cross_entropy(scores[0], labels)[0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.Heads(nn.Dense(2)), TypeError, "trunk must be a Sequential"),
        (lambda: nn.Heads(nn.Sequential(a=nn.ReLU(), b=nn.ReLU())), ValueError, "heads must have one or more names from"),
        (lambda: nn.Heads(nn.Sequential(a=nn.ReLU(), b=nn.ReLU()), b=nn.ReLU()), ValueError, r"names from \['a'\]"),
        (
            lambda: nn.Heads(nn.Sequential(a=nn.ReLU(), b=nn.ReLU()), c=nn.ReLU()),
            ValueError,
            "heads must have one or more names",
        ),
        (
            lambda: nn.Heads(nn.Sequential(a=nn.ReLU(), b=nn.ReLU(), c=nn.ReLU()), b=nn.ReLU(), a=nn.ReLU()),
            ValueError,
            "in this order",
        ),
    ],
)
def test_invalid_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
