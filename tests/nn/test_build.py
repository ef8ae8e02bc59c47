"""Tests of building a network again: arrays are reused, and a failed build changes nothing."""

import copy
import pickle

import numpy as np
import pytest

import refconv
from refconv import data, nn, optim
from refconv.training import fit, train_step

SHAPE = (12, 14, 1)


def small_lenet(initializer=nn.he_normal):
    return nn.Sequential(
        conv1=nn.Conv2D(4, (3, 5), padding="same"),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2D(2),
        norm=nn.BatchNorm(),
        drop=nn.Dropout(0.1),
        conv2=nn.Conv2D(6, 3, initializer=initializer),
        relu2=nn.ReLU(),
        flatten=nn.Flatten(),
        scores=nn.Dense(3),
    )


def bars():
    """Return images with one of three bars, and the index of the bar as label."""
    rng, labels = np.random.default_rng(0), np.arange(24) % 3
    images = 0.1 * rng.standard_normal((24, *SHAPE))
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4] += 1
    return images.astype(np.float32), labels


def arrays(model):
    return {name: (id(p), id(p.value), id(p.grad)) for name, p in model.named_parameters().items()}


def values(model):
    return {name: p.value.tobytes() for name, p in model.named_parameters().items()}


def test_a_model_that_is_built_again_learns_with_the_optimizer_made_before():
    """Check the order in a notebook where the cell with model.build(…) runs twice.

    The cell that makes the optimizer runs only once.
    """
    model, batches = small_lenet(), [bars()]
    model.build(SHAPE, rng=1)
    optimizer = optim.SGD(model, 0.05, momentum=0.9)
    model.build(SHAPE, rng=1)
    history = fit(model, batches, optimizer, epochs=12)
    assert history.epochs[-1].train_loss < 0.5 * history.epochs[0].train_loss
    model.build(SHAPE, rng=2)
    history = fit(model, batches, optim.SGD(model, 0.05, momentum=0.9), epochs=12)
    assert history.epochs[-1].train_loss < 0.5 * history.epochs[0].train_loss


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_second_build_refills_the_same_arrays_with_the_values_of_a_first_build(dtype):
    model, fresh = small_lenet(), small_lenet()
    model.build(SHAPE, rng=3, dtype=dtype)
    before, first = arrays(model), values(model)
    x, labels = bars()
    train_step(model, optim.SGD(model, 0.1), x.astype(dtype), labels)
    model.build(SHAPE, rng=4, dtype=dtype)
    assert arrays(model) == before
    fresh.build(SHAPE, rng=4, dtype=dtype)
    assert values(model) == values(fresh) != first
    assert not any(p.grad.any() for p in model.named_parameters().values() if p.grad is not None)
    np.testing.assert_array_equal(model.forward(x.astype(dtype))[0], fresh.forward(x.astype(dtype))[0])  # equal masks


@pytest.mark.parametrize(("shape", "dtype"), [((14, 12, 2), np.float32), (SHAPE, np.float64)])
def test_a_build_with_another_shape_or_dtype_creates_new_parameters(shape, dtype):
    model = small_lenet()
    model.build(SHAPE, rng=3)
    before = arrays(model)
    model.build(shape, rng=3, dtype=dtype)
    assert all(arrays(model)[name][0] != before[name][0] for name in before)
    assert len({id(p.flat) for p in model.named_parameters().values()}) == 1


def test_build_replaces_an_array_that_the_user_assigned():
    model = nn.Sequential(nn.Dense(3), nn.Dense(2))
    model.build((4,), rng=0)
    array = np.ones((4, 3), np.float32)
    model[0].parameters["w"].replace_array(array)
    model.build((4,), rng=1)
    assert model[0].parameters["w"].value is not array
    assert (array == 1).all()


def failing(rng, shape):
    raise OSError("the file with the weights is not there")


def too_small(rng, shape):
    return np.zeros(2)


@pytest.mark.parametrize("initializer", [failing, too_small])
@pytest.mark.parametrize("shape", [SHAPE, (14, 12, 2)])
def test_a_failed_build_does_not_change_a_built_model(initializer, shape):
    model = small_lenet()
    model.build(SHAPE, rng=3)
    x, labels = bars()
    train_step(model, optim.SGD(model, 0.1), x, labels)
    before = arrays(model), values(model), [layer.input_shape for layer in model], model["drop"].rng
    model["conv2"].initializer = initializer
    with pytest.raises(
        (OSError, ValueError), match=r"is not there|must return an array of shape \(3, 3, 4, 6\), got shape \(2,\)"
    ):
        model.build(shape, rng=4)
    assert (arrays(model), values(model), [layer.input_shape for layer in model], model["drop"].rng) == before
    assert model(x).shape == (24, 3)


def test_a_failed_build_leaves_an_unbuilt_model_unbuilt():
    model = small_lenet(failing)
    with pytest.raises(OSError, match="is not there"):
        model.build(SHAPE)
    assert not any(layer.is_built for layer in model)
    assert model.input_shape is None
    with pytest.raises(RuntimeError, match="has no parameters yet"):
        model["conv1"].parameters["w"]


def test_every_layer_has_the_input_shape_of_the_last_build():
    inner = nn.Sequential(conv=nn.Conv2D(4, 3), norm=nn.BatchNorm())
    inner.build((9, 8, 2))
    model = nn.Sequential(nn.MaxPool2D(2), inner)
    model.build((20, 30, 2))
    assert (model.input_shape, inner.input_shape, inner["norm"].input_shape) == ((20, 30, 2), (10, 15, 2), (8, 13, 4))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["deepcopy", "pickle"])
def test_a_model_and_its_optimizer_that_are_copied_together_share_parameters(copied):
    model = small_lenet()
    model.build(SHAPE, rng=1)
    x, labels = bars()
    optimizer = optim.SGD(model, 0.05, momentum=0.9)
    train_step(model, optimizer, x, labels)
    other, its_optimizer = copied((model, optimizer))
    before = values(model)
    assert all(p is other.named_parameters()[name] for name, p in its_optimizer.parameters.items())
    train_step(other, its_optimizer, x, labels)
    assert values(model) == before != values(other)
    train_step(model, optimizer, x, labels)
    assert values(model) == values(other)


def test_inner_layers_in_attributes_that_would_not_be_built_are_refused():
    class Holder(nn.Identity):
        def __init__(self, held):
            self.held = held

    for held in ([nn.Dense(2)], (nn.ReLU(), [nn.Dense(2)]), {"a": nn.Sequential(nn.Dense(2))}, nn.Dense(2)):
        with pytest.raises(TypeError, match=r"Holder must list its inner layers in named_layers\(\) .* attributes \['held'\]"):
            nn.Sequential(first := nn.Dense(4), Holder(held)).build((3,))
        assert not first.is_built


def test_a_layer_that_named_layers_does_not_list_is_refused():
    class Extended(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Dense(4))
            self.extra = nn.Dense(2)

    with pytest.raises(TypeError, match=r"Extended must list its inner layers .* and attributes \['extra'\]"):
        Extended().build((3,))


@pytest.mark.parametrize(
    ("rng", "message"),
    [
        ("0", r"^rng must be a numpy.random.Generator, an integer or None, got '0'$"),
        (1.5, "^rng must be .* got 1.5$"),
        (True, "^rng must be .* got True$"),
        (-1, "^rng must be at least 0, got -1$"),
    ],
)
def test_a_wrong_seed_is_refused_by_its_name(rng, message):
    for call in (
        lambda: nn.Dense(2).build((3,), rng=rng),
        lambda: data.Batches(np.ones((5, 3)), np.arange(5), 2, rng=rng),
        lambda: data.split(np.ones((5, 3)), np.arange(5), rng=rng),
    ):
        with pytest.raises(refconv.ArgumentError, match=message):
            call()
