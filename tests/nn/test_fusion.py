"""Tests of fused layers: which layers are fused, and that results do not change."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import refconv
from evidence import assert_same_bits, needs_kernels
from refconv import models, nn
from refconv.nn import fusion
from refconv.ops.fused import batch_norm_inference_in_place

pytestmark = needs_kernels


@pytest.fixture(autouse=True)
def restored():
    yield
    refconv.set_config(fusion=True)


def built(*layers, shape, dtype=np.float64):
    model = nn.Sequential(*layers)
    model.build(shape, rng=0, dtype=dtype)
    return model


def kinds(model):
    return [type(step).__name__ for step in model.steps()]


def gradients(model, x, dy):
    """Yield [y, ∂e/∂x, other gradients] with fusion and then without."""
    for fused in (True, False):
        refconv.set_config(fusion=fused)
        model.zero_grad()
        y, backward = model.forward(x)
        dx = backward(dy)
        yield [y, dx, *(p.grad.copy() for p in model.named_parameters().values() if p.trainable)]


def test_lenet_has_the_same_gradients_with_and_without_fusion():
    model = models.lenet()
    model.build((32, 32, 1), rng=0, dtype=np.float64)
    rng = np.random.default_rng(1)
    fused, separate = gradients(model, rng.standard_normal((3, 32, 32, 1)), rng.standard_normal((3, 10)))
    for actual, expected in zip(fused, separate, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten()], ["_ConvReLUPool", "Flatten"]),
        ([nn.Conv2D(5, 3, bias=False), nn.ReLU(), nn.MaxPool2D(2)], ["_ConvReLUPool"]),
        ([nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(3, stride=2)], ["_WithReLU", "MaxPool2D"]),
        ([nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(2, padding=1)], ["_WithReLU", "MaxPool2D"]),
        ([nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(2, ceil_mode=True)], ["_WithReLU", "MaxPool2D"]),
        ([nn.Conv2D(5, 3, stride=2), nn.ReLU(), nn.MaxPool2D(2)], ["_WithReLU", "MaxPool2D"]),
        ([nn.Conv2D(6, 3, groups=3), nn.ReLU(), nn.MaxPool2D(2)], ["_WithReLU", "MaxPool2D"]),
        ([nn.BatchNorm(), nn.ReLU(), nn.ReLU()], ["_BatchNormReLU", "ReLU"]),
        ([nn.Flatten(), nn.Dense(7), nn.ReLU(), nn.Dense(4)], ["Flatten", "_WithReLU", "Dense"]),
        ([nn.ReLU(), nn.Conv2D(5, 3), nn.MaxPool2D(2)], ["ReLU", "Conv2D", "MaxPool2D"]),
    ],
)
def test_fused_layers_have_the_same_gradients(layers, expected):
    model = built(*layers, shape=(11, 14, 3))
    assert kinds(model) == expected
    x = np.random.default_rng(0).standard_normal((2, 11, 14, 3))
    dy = np.random.default_rng(1).standard_normal((2, *model.output_shape((11, 14, 3))))
    before = x.copy(), dy.copy()
    fused, separate = gradients(model, x, dy)
    assert_same_bits((x, dy), before)
    for actual, values in zip(fused, separate, strict=True):
        np.testing.assert_allclose(actual, values, rtol=0, atol=1e-12 * max(np.abs(values).max(), 1))


def test_inference_is_the_same_with_and_without_fusion():
    layers = [nn.Conv2D(5, 3), nn.BatchNorm(), nn.ReLU(), nn.DepthwiseConv2D(2), nn.BatchNorm(), nn.Conv2D(4, 2), nn.ReLU()]
    model = built(*layers, nn.MaxPool2D(2), shape=(11, 14, 3))
    assert kinds(model) == ["Conv2D", "_BatchNormReLU", "DepthwiseConv2D", "BatchNorm", "_ConvReLUPool"]
    rng = np.random.default_rng(0)
    for name, parameter in model.named_parameters().items():
        if name[-2:] not in (".w", ".b"):
            parameter.value[...] = rng.uniform(0.5, 1.5, parameter.value.shape)
    x = rng.standard_normal((2, 11, 14, 3))
    dy = rng.standard_normal((2, *model.output_shape((11, 14, 3))))
    results = []
    for fused in (True, False):
        refconv.set_config(fusion=fused)
        model.zero_grad()
        y, backward = model.forward(x, train=False)
        results.append([y, backward(dy), *(p.grad.copy() for p in model.named_parameters().values() if p.trainable)])
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_averages_may_change_before_the_backward_pass_of_inference():
    x, other, dy = (np.random.default_rng(k).standard_normal((2, 6, 9, channels)) for k, channels in enumerate((3, 3, 5)))
    results = []
    for fused in (True, False):
        refconv.set_config(fusion=fused)
        model = built(nn.Conv2D(5, 1), nn.BatchNorm(momentum=0.5), nn.ReLU(), shape=(6, 9, 3))
        y, backward = model.forward(x, train=False)
        moved, other_backward = model.forward(other)
        other_backward(np.zeros_like(moved))
        model.zero_grad()
        assert model["1"].parameters["updates"].value == 1
        results.append([y, backward(dy), *(p.grad for p in model.named_parameters().values() if p.trainable)])
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("x", [np.asfortranarray([[1.5, -2], [-3, 4]]), np.array([[1, -2]])], ids=["columns", "integers"])
def test_relu_follows_a_sum_of_arrays_that_the_kernels_do_not_accept(x):
    model = built(nn.Sum(nn.Identity(), nn.Identity()), nn.ReLU(), shape=(2,))
    y, backward = model.forward(x)
    np.testing.assert_array_equal(y, np.maximum(2.0 * x, 0))
    np.testing.assert_array_equal(backward(np.ones(x.shape)), 2.0 * (x > 0))


def test_averages_of_the_wrong_size_are_refused():
    five = np.ones(5)
    with pytest.raises(ValueError, match="var must have shape \\(5,\\)"):
        batch_norm_inference_in_place(np.zeros((2, 11, 14, 5)), five, five, five, np.ones(4), 1e-3, True)


def test_joins_of_branches_have_the_same_gradients_with_and_without_fusion():
    residual = nn.Sequential(nn.Sum(nn.Conv2D(3, 3, padding=1), nn.Identity(), nn.Conv2D(3, 1)), nn.ReLU())
    model = built(residual, nn.Concat(nn.Identity(), nn.Conv2D(4, 1)), shape=(11, 14, 3))
    assert kinds(residual) == ["_WithReLU"]
    x = np.random.default_rng(0).standard_normal((2, 11, 14, 3))
    dy = np.random.default_rng(1).standard_normal((2, 11, 14, 7))
    for actual, expected in zip(*gradients(model, x, dy), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def residual(*branches):
    return nn.Sequential(nn.Sum(*branches), nn.ReLU())


def normalised(channels, *first):
    return nn.Sequential(*first, nn.Conv2D(channels, 3, padding=1), nn.BatchNorm())


class Same(nn.Sequential):
    """Chain that returns its input, with the forward pass of a subclass."""

    def forward(self, x, train=True):
        return x, lambda dy, want_dx=True: dy


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (residual(normalised(3, nn.Conv2D(4, 1), nn.BatchNorm(), nn.ReLU()), nn.Identity()), "_ResidualReLU"),
        (residual(nn.Identity(), normalised(3, nn.ReLU())), "_ResidualReLU"),
        (residual(normalised(5), nn.Sequential(nn.Conv2D(5, 1), nn.BatchNorm())), "_ResidualReLU"),
        (residual(nn.Sequential(nn.BatchNorm()), nn.Identity()), "_ResidualReLU"),
        (residual(nn.Conv2D(3, 1), nn.Identity()), "_ResidualReLU"),
        (residual(Same(nn.BatchNorm()), nn.Identity()), "_ResidualReLU"),
        (nn.Sequential(nn.Concat(nn.Identity(), normalised(4, nn.BatchNorm(), nn.ReLU()))), "_ConcatWithInput"),
        (nn.Sequential(nn.Concat(nn.Identity(), nn.Sequential(nn.ReLU()))), "_ConcatWithInput"),
        (nn.Sequential(nn.Concat(nn.Identity(), nn.Conv2D(4, 1))), "_ConcatWithInput"),
        (nn.Sequential(nn.Concat(nn.Conv2D(4, 1), nn.Identity())), "Concat"),
        (nn.Sequential(nn.Concat(nn.Identity(), nn.Sequential(nn.ReLU()), axis=1)), "Concat"),
    ],
)
def test_blocks_with_normalised_branches_have_the_same_gradients_with_and_without_fusion(block, kind):
    model = built(nn.Conv2D(3, 1), block, nn.Conv2D(2, 1), shape=(11, 14, 2))
    assert kinds(block) == [kind]
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 11, 14, 2)), rng.standard_normal((2, *model.output_shape((11, 14, 2))))
    averages = [p for name, p in model.named_parameters().items() if not p.trainable]
    for p in averages:
        p.value[...] = 0
    results, changes = [], []
    for result in gradients(model, x, dy):
        results.append(result)
        changes.append([p.value.copy() for p in averages])
        for p in averages:
            p.value[...] = 0
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * max(np.abs(expected).max(), 1))
    for actual, expected in zip(*changes, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12)


def test_the_shortcut_is_not_changed_by_the_sum_of_gradients():
    # The gradient of the main branch is a new array, to which the gradient of the shortcut is added.
    kept = []

    class Watched(nn.Identity):
        def forward(self, x, train=True):
            return x, lambda dy, want_dx=True: kept.append(dy.copy()) or kept.append(dy) or dy

    model = built(residual(normalised(3), Watched()), shape=(11, 14, 3))
    y, backward = model.forward(np.random.default_rng(0).standard_normal((2, 11, 14, 3)))
    dx = backward(np.ones_like(y))
    np.testing.assert_array_equal(*kept)
    assert not np.shares_memory(dx, kept[1])


@pytest.mark.parametrize("main", [nn.Identity(), nn.Sequential(nn.Identity()), nn.Sequential(nn.Identity(), nn.BatchNorm())])
def test_a_gradient_that_another_layer_refers_to_is_not_changed(main):
    given = []

    class Reference(nn.Layer):
        def forward(self, x, train=True):
            return x, lambda dy, want_dx=True: given.append((dy, dy.copy())) or dy

    model = built(nn.Concat(nn.Identity(), nn.Sequential(Reference(), main)), shape=(4, 5, 3))
    y, backward = model.forward(np.random.default_rng(0).standard_normal((2, 4, 5, 3)))
    dy = np.random.default_rng(1).standard_normal(y.shape)
    backward(dy)
    np.testing.assert_array_equal(*given[0])


def test_frozen_layers_normalise_with_their_averages_in_a_residual_block():
    block = residual(normalised(3), nn.Identity())
    model = built(block, shape=(11, 14, 3))
    model["0"][0].freeze()
    x = np.random.default_rng(0).standard_normal((2, 11, 14, 3))
    results = list(gradients(model, x, x))
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * max(np.abs(expected).max(), 1))
    assert model["0"][0]["0"]["1"].parameters["updates"].value == 0


def test_branches_of_different_shapes_are_refused_with_and_without_fusion():
    block = residual(normalised(3), nn.Crop2D(1))
    for layer in (*block[0], block[1]):
        layer.build((11, 14, 3), rng=0, dtype=np.float64)
    for fused in (True, False):
        refconv.set_config(fusion=fused)
        with pytest.raises(ValueError, match="branches of Sum must have outputs of one shape"):
            block.forward(np.zeros((2, 11, 14, 3)))


def test_channels_first_and_subclasses_of_layers_are_not_fused():
    first = {"data_format": "channels_first"}
    layers = nn.Conv2D(5, 3, **first), nn.ReLU(), nn.MaxPool2D(2, **first)
    assert kinds(built(*layers, shape=(3, 11, 14))) == ["_WithReLU", "MaxPool2D"]

    class Clipped(nn.ReLU):
        def forward(self, x, train=True):
            y, backward = super().forward(x, train)
            return np.minimum(y, 6), lambda dy, want_dx=True: backward(dy * (x < 6), want_dx)

    assert kinds(built(nn.Conv2D(5, 3), Clipped(), nn.MaxPool2D(2), shape=(11, 14, 3))) == ["Conv2D", "Clipped", "MaxPool2D"]


def test_fusion_can_be_disabled_and_the_loops_never_fuse():
    model = built(nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(2), shape=(11, 14, 3))
    assert kinds(model) != ["Conv2D", "ReLU", "MaxPool2D"]
    with refconv.config(engine="reference"):
        assert kinds(model) == ["Conv2D", "ReLU", "MaxPool2D"]
    with refconv.config(fusion=False):
        assert kinds(model) == ["Conv2D", "ReLU", "MaxPool2D"]


def test_a_fused_backward_function_can_be_called_twice():
    model = built(nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(2), shape=(11, 14, 3))
    y, backward = model.forward(np.random.default_rng(0).standard_normal((2, 11, 14, 3)))
    dy = np.random.default_rng(1).standard_normal(y.shape)
    model.zero_grad()
    first = backward(dy)
    once = model.layers["0"].parameters["w"].grad.copy()
    assert_same_bits(backward(dy), first)
    np.testing.assert_array_equal(model.layers["0"].parameters["w"].grad, 2 * once)


def test_steps_are_planned_once_and_again_when_the_layers_change(monkeypatch):
    model = built(nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(2), shape=(11, 14, 3))
    planned, plan = [], fusion.plan
    monkeypatch.setattr(fusion, "plan", lambda layers: planned.append(0) or plan(layers))
    x = np.zeros((2, 11, 14, 3))
    for _ in range(3):
        model.forward(x)
        model(x)
    assert len(planned) == 1
    model.layers["1"] = nn.Tanh()
    assert kinds(model) == ["Conv2D", "Tanh", "MaxPool2D"]
    model.layers["1"] = nn.ReLU()
    assert kinds(model) == ["_ConvReLUPool"]
    many = 100  # input channels, too many for the fused kernel of convolution, ReLU and pooling
    model[0].build((11, 14, many))
    assert kinds(model) == ["_WithReLU", "MaxPool2D"]
    model.build((11, 14, 3))
    assert kinds(model) == ["_ConvReLUPool"]


def test_copies_fuse_their_own_layers():
    model = built(nn.Conv2D(5, 3), nn.ReLU(), nn.MaxPool2D(2), shape=(11, 14, 3))
    x = np.random.default_rng(1).standard_normal((2, 11, 14, 3))
    before = model(x)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_same_bits(copied(x), before)
        copied[0].parameters["w"].value[...] = 0
        copied[0].parameters["b"].value[...] = 2
        assert kinds(copied) == ["_ConvReLUPool"]
        assert (copied(x) == 2).all()
        assert_same_bits(model(x), before)


def test_a_layer_whose_forward_is_replaced_is_not_fused(monkeypatch):
    model = nn.Sequential(conv=nn.Conv2D(4, 3), relu=nn.ReLU(), pool=nn.MaxPool2D(2))
    model.build((8, 6, 1), rng=0)
    x = np.random.default_rng(0).normal(size=(2, 8, 6, 1)).astype(np.float32)
    model.forward(x)  # plans the steps before the layer changes
    calls, forward = [], model["conv"].forward
    monkeypatch.setattr(model["conv"], "forward", lambda x, train=True: calls.append(len(x)) or forward(x, train))
    model.forward(x)
    assert calls == [2]


def test_an_outdated_plan_releases_the_layers_that_were_replaced():
    model = nn.Sequential(conv=nn.Conv2D(4, 3), relu=nn.ReLU())
    model.build((8, 6, 1), rng=0)
    x = np.zeros((2, 8, 6, 1), np.float32)
    model(x), model.forward(x)
    old = weakref.ref(model["conv"])
    model.layers["conv"] = nn.Conv2D(4, 3)
    model.build((8, 6, 1), rng=1)
    model.forward(x)
    gc.collect()
    assert old() is None
