"""Tests of names and arguments of PyTorch and Keras: accepted, or refused with a suggestion."""

import inspect

import numpy as np
import pytest

import refconv
from refconv import models, nn


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2D(16, 3, strides=2), "Conv2D has no argument strides=2: use stride=2"),
        (lambda: nn.Conv1D(16, 3, strides=2), "Conv1D has no argument strides=2: use stride=2"),
        (lambda: nn.Conv2D(16, 3, activation="relu"), r"activation='relu': add nn.ReLU\(\) after it"),
        (lambda: nn.Dense(16, activation="softmax"), r"Dense has no argument .*: add nn.Softmax\(\) after it"),
        (lambda: nn.Dense(16, activation=np.tanh), r"add a layer such as nn.ReLU\(\) after it"),
        (
            lambda: nn.Conv2D(3, 16, 5),
            r"without a name \(filters, kernel_size\), got 3, 16, 5: the number of input channels is",
        ),
        (
            lambda: nn.Conv2D(in_channels=3, out_channels=16, kernel_size=5),
            "in_channels=3: leave it out: it is taken from the",
        ),
        (lambda: nn.Conv2D(out_channels=16, kernel_size=5), "out_channels=16: use filters=16"),
        (lambda: nn.Conv2D(16, 3, input_shape=(28, 28, 1)), r"pass it to build, as in model.build\(\(28, 28, 1\)\)"),
        (lambda: nn.Dense(400, 120), r"Dense must have at most 1 argument without a name \(units\), got 400, 120"),
        (lambda: nn.Dense(out_features=120), "use units=120"),
        (lambda: nn.MaxPool2D(pool_size=2), "MaxPool2D has no argument pool_size=2: use kernel_size=2"),
        (
            lambda: nn.MaxPool2D(2, 2),
            r"without a name \(kernel_size\), got 2, 2: pass other arguments by name, as in stride=…",
        ),
        (lambda: nn.Dropout(p=0.5), "Dropout has no argument p=0.5: use rate=0.5"),
        (lambda: nn.BatchNorm(64), "BatchNorm must have no argument without a name, got 64: the number of input"),
        (lambda: nn.BatchNorm(epsilon=0.1), "use eps=0.1"),
        (lambda: nn.ReLU(inplace=True), "ReLU has no argument inplace=True: leave it out"),
        (lambda: nn.Softmax(dim=1), "Softmax has no argument dim=1: leave it out"),
        (lambda: nn.Upsample2D(scale_factor=2), "use scale=2"),
        (lambda: nn.Conv2D(16, 3, padd=2), "did you mean padding?"),
        (lambda: nn.Dense(3, colour=2), "its arguments are units, bias, initializer"),
        (lambda: nn.Conv2D(16), "Conv2D: missing a required argument: 'kernel_size'"),
        (lambda: nn.Sequential(nn.Dense(2), nn.ReLU), r"layer 1 of Sequential must be a layer, got the class: write ReLU\("),
        (lambda: nn.Sequential(nn.ReLU() for _ in range(2)), "must be a layer, got an iterator: write a list of layers"),
        (lambda: nn.Sequential(nn.Dense(3)).build(28, 28, 1), "shape must be a tuple of integers, .* got 28"),
        (lambda: nn.Conv2D(4, 3).build((8, 5, 6 / 2)), r"shape must be a tuple of integers, .*, got \(8, 5, 3.0\)"),
        (lambda: nn.Sequential(nn.Dense(3)).build(28), "shape must be a tuple of integers, .* without the batch, got 28"),
    ],
)
def test_foreign_arguments_are_refused_with_a_suggestion(make, message):
    with pytest.raises(TypeError, match=message) as caught:
        make()
    assert isinstance(caught.value, refconv.ArgumentError)


def test_unambiguous_foreign_arguments_are_accepted():
    model = nn.Sequential([nn.Conv2D(4, (3, 5), padding="SAME"), nn.MaxPool2D(2, padding="VALID"), nn.Flatten()])
    assert model.build((6, 8, 2), rng=0) == (3 * 4 * 4,)


def test_arguments_of_a_users_layer_are_checked_like_those_of_other_layers():
    class Scale(nn.Layer):
        def __init__(self, factor, *, bias=True):
            self.factor = factor

        def output_shape(self, shape):
            return shape

        def forward(self, x, train=True):
            return self.factor * x, lambda dy: self.factor * dy

    assert str(inspect.signature(Scale)) == "(factor, *, bias=True)"
    with pytest.raises(TypeError, match="Scale has no argument use_bias=False: use bias=False"):
        Scale(2, use_bias=False)


@pytest.fixture(scope="module")
def lenet():
    model = models.lenet()
    model.build((32, 32, 1), rng=0)
    return model


RNG = np.random.default_rng(0)
BUILT = r"; the network was built for"


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (
            RNG.random((4, 1, 32, 32), np.float32),
            ValueError,
            rf"{BUILT} inputs \(N, 32, 32, 1\), got \(4, 1, 32, 32\): channels ",
        ),
        (
            RNG.random((4, 32, 32, 3), np.float32),
            ValueError,
            rf"layer conv1, Conv2D.*{BUILT} inputs .*, got \(4, 32, 32, 3\)$",
        ),
        (
            RNG.random((4, 28, 30, 1), np.float32),
            ValueError,
            rf"in layer dense1, Dense\(120\){BUILT} .*, got \(4, 28, 30, 1\)$",
        ),
        (
            RNG.integers(0, 255, (4, 32, 32, 1), np.uint8),
            TypeError,
            rf"got uint8 .*{BUILT} float32, got a batch of uint8: scale",
        ),
        (RNG.random((4, 32, 32, 1)), TypeError, rf"{BUILT} float32, got a batch of float64: use x.astype\(np.float32\)$"),
        (RNG.random((4, 32, 32), np.float32), ValueError, rf"x must have 4 axes .*{BUILT} inputs .*, got \(4, 32, 32\)$"),
        (RNG.random((32, 32, 1), np.float32), ValueError, r"a single example needs the axis of the batch, x\[np.newaxis\]$"),
        (None, TypeError, r"x must be an array, got None, in layer conv1, Conv2D\(6, 5×5\)$"),
    ],
)
@pytest.mark.parametrize("fusion", [True, False])
@pytest.mark.parametrize("run", ["forward", "__call__"])
def test_the_error_about_a_wrong_batch_shows_the_shape_that_the_network_was_built_for(lenet, run, fusion, x, error, message):
    with refconv.config(fusion=fusion), pytest.raises(error, match=message) as caught:
        getattr(lenet, run)(x)
    assert isinstance(caught.value, refconv.ArgumentError)


def nested():
    inner = nn.Sequential(conv1=nn.Conv2D(4, 3, padding="same"), norm=nn.BatchNorm(), act=nn.ReLU())
    return {
        "Sum": nn.Sum(inner, nn.Identity()),
        "Concat": nn.Concat(nn.Identity(), inner),
        "StochasticDepth": nn.StochasticDepth(inner, 0.9),
        "Fractal": nn.Sequential(nn.Fractal(inner, 2)),
        "DropPath": nn.DropPath(nn.Sequential(nn.Fractal(inner, 2))),
        "Heads": nn.Heads(nn.Sequential(a=inner, b=nn.Identity()), a=nn.Identity()),
    }


NAMES = {
    "Sum": "block.0.conv1",
    "Concat": "block.1.conv1",
    "StochasticDepth": "block.0.conv1",
    "Fractal": "block.0.column2_row1.conv1",
    "DropPath": "block.network.0.column2_row1.conv1",
    "Heads": "block.trunk.a.conv1",
}


@pytest.mark.parametrize("name", NAMES)
def test_errors_in_every_container_name_the_layer_by_its_dotted_name(name):
    model = nn.Sequential(stem=nn.MaxPool2D(2), block=nested()[name], pool=nn.GlobalAvgPool2D())
    with pytest.raises(ValueError, match=r"must be an image .*, in layer stem, MaxPool2D\(2×2\)$"):
        model.build((12, 14))
    model.build((12, 14, 4), rng=0)
    for run in (model, lambda x: model.forward(x, train=False)):
        with pytest.raises(
            ValueError, match=rf", in layer {name and NAMES[name]}, Conv2D\(4, 3×3, padding same\); the network"
        ):
            run(np.ones((2, 12, 14, 5), np.float32))


def test_errors_of_shapes_name_the_layer():
    model = nn.Sequential(conv=nn.Conv2D(3, 3), block=nn.Sequential(nn.ReLU(), scores=nn.Dense(3)))
    with pytest.raises(ValueError, match=r"add Flatten\(\) before it, in layer block.scores, Dense\(3\)$"):
        model.build((28, 30, 1))
    with pytest.raises(
        ValueError, match=r"got shape \(64, 28, 30, 1\): leave out the batch, in layer conv, Conv2D\(3, 3×3\)$"
    ):
        model.build((64, 28, 30, 1))


def test_an_error_of_a_users_layer_keeps_its_type():
    class Fails(nn.Identity):
        def forward(self, x, train=True):
            raise OSError("no file")

    with pytest.raises(OSError, match=r"^no file, in layer block.0, Fails\(\)$"):
        nn.Sequential(block=nn.Sequential(Fails()))(np.ones(3))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Linear", "Dense"),
        ("Conv2d", "Conv2D"),
        ("Conv1d", "Conv1D"),
        ("ConvTranspose2d", "ConvTranspose2D"),
        ("Conv2DTranspose", "ConvTranspose2D"),
        ("MaxPool1d", "MaxPool1D"),
        ("MaxPooling2D", "MaxPool2D"),
        ("AveragePooling1D", "AvgPool1D"),
        ("GlobalAveragePooling2D", "GlobalAvgPool2D"),
        ("AdaptiveAvgPool2d", "AdaptiveAvgPool2D"),
        ("BatchNorm2d", "BatchNorm"),
        ("BatchNormalization", "BatchNorm"),
        ("UpSampling2D", "Upsample2D"),
        ("Upsample", "Upsample2D"),
        ("ZeroPadding2D", "Pad2D"),
        ("Add", "Sum"),
        ("Concatenate", "Concat"),
        ("Module", "Layer"),
        ("LeakyRelu", "LeakyReLU"),
    ],
)
def test_foreign_names_of_layers_are_refused_with_the_name_in_refconv(name, ours):
    with pytest.raises(AttributeError, match=f"^module 'refconv.nn' has no attribute '{name}': use nn.{ours}$"):
        getattr(nn, name)
    assert issubclass(getattr(nn, ours), nn.Layer)


def test_the_error_about_a_layer_that_refconv_does_not_have_contains_no_hint():
    with pytest.raises(AttributeError, match=r"^module 'refconv.nn' has no attribute 'LSTM'$"):
        nn.LSTM  # noqa: B018


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fit", r"use training.fit\(model, batches, optimizer, epochs=…\)"),
        ("predict", r"use training.predict\(model, x\) for classes"),
        ("eval", r"layers have no mode: model\(x\) is inference"),
        ("state_dict", r"use weights.to_torch\(model\), or model.save_weights"),
        ("append", r".* as in nn.Sequential\(a, b\)"),
        ("conv1", r'use model\["conv1"\]'),
    ],
)
def test_foreign_methods_are_refused_with_the_method_in_refconv(lenet, name, hint):
    assert not hasattr(lenet, name)
    with pytest.raises(AttributeError, match=f"^Sequential has no attribute {name}: {hint}"):
        getattr(lenet, name)


def test_an_error_inside_a_property_of_a_layer_is_not_hidden():
    class Scale(nn.Layer):
        @property
        def weights(self):
            return self.factr

        def forward(self, x, train=True):
            return 2 * x, lambda dy: 2 * dy

    with pytest.raises(AttributeError, match=r"^'Scale' object has no attribute 'factr'$"):
        Scale().weights  # noqa: B018


@pytest.mark.parametrize(("name", "ours"), [("resnet50", "resnet50"), ("vgg16", "vgg-d"), ("wide_resnet50_2", "wrn-50-2")])
def test_foreign_functions_for_networks_are_refused_with_create(name, ours):
    with pytest.raises(AttributeError, match=rf'has no attribute \'{name}\': use models.create\("{ours}"\)$'):
        getattr(models, name)
    with pytest.raises(AttributeError, match=r"^module 'refconv.models' has no attribute 'bert'$"):
        models.bert  # noqa: B018
