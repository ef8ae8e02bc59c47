"""Tests that files from PyTorch's and Keras' exporters load and give the same outputs."""

import os
import warnings

import numpy as np
import pytest

import refconv
from onnx_runtimes import relative_error, run
from refconv import nn, weights

pytest.importorskip("onnx")
TOLERANCE = 1e-5


def lenet(torch):
    class LeNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = torch.nn.Conv2d(1, 6, 5), torch.nn.Conv2d(6, 16, 5)
            self.dense1, self.dense2 = torch.nn.Linear(400, 120), torch.nn.Linear(120, 10)

        def forward(self, x):
            functional = torch.nn.functional
            x = functional.max_pool2d(torch.relu(self.conv1(x)), 2)
            x = functional.avg_pool2d(torch.tanh(self.conv2(x)), 2)
            x = x.view(x.size(0), -1)  # its shape is computed by nodes
            x = functional.leaky_relu(self.dense1(x))
            return torch.softmax(self.dense2(functional.dropout(x, 0.5, self.training)), 1)

    return LeNet(), (1, 32, 32)


def unet(torch):
    layers = torch.nn

    def two(inputs, outputs):
        first = [layers.Conv2d(inputs, outputs, 3, padding=1), layers.BatchNorm2d(outputs), layers.ReLU()]
        return layers.Sequential(*first, layers.Conv2d(outputs, outputs, 3, padding=1), layers.GroupNorm(2, outputs))

    class UNet(layers.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2, self.bottom = two(3, 8), two(8, 16), two(16, 32)
            self.up1, self.join1 = layers.ConvTranspose2d(32, 16, 2, stride=2), two(32, 16)
            self.up2, self.join2 = layers.Upsample(scale_factor=2, mode="bilinear"), two(24, 8)
            self.scores = layers.Conv2d(8, 5, 1)

        def forward(self, x):
            first = self.down1(x)
            second = self.down2(torch.max_pool2d(first, 2))
            x = self.up1(self.bottom(torch.max_pool2d(second, 2)))
            x = self.up2(self.join1(torch.cat([second, x], 1)))
            return self.scores(self.join2(torch.cat([first, x], 1)))

    return UNet(), (3, 32, 24)


def of_torchvision(name, **options):
    def make(torch):
        return getattr(pytest.importorskip("torchvision").models, name)(weights=None, **options), (3, 64, 64)

    return make


NETWORKS = {
    "lenet": lenet,
    "unet": unet,
    "resnet18": of_torchvision("resnet18"),
    "densenet121": of_torchvision("densenet121"),
    "googlenet": of_torchvision("googlenet", init_weights=False, aux_logits=False),
}


def exported(torch, model, x, path, dynamo):
    if dynamo:
        pytest.importorskip("onnxscript")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters
        if dynamo:
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(model, (x,), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
        else:
            torch.onnx.export(model, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}})
    return path


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [False, True], ids=["TorchScript", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_files_of_pytorch_load_and_agree(name, dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model, shape = NETWORKS[name](torch)
    model.eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    x = torch.randn(3, *shape)
    with torch.no_grad():
        expected = model(x).numpy()
    path = exported(torch, model, x[:2], tmp_path / "model.onnx", dynamo)
    loaded = refconv.onnx.load(path)
    assert relative_error(loaded(x.numpy()), expected) < TOLERANCE
    last = refconv.onnx.load(path, data_format="channels_last")
    y = last(np.ascontiguousarray(np.moveaxis(x.numpy(), 1, -1)))
    assert relative_error(np.moveaxis(y, -1, 1), expected) < TOLERANCE
    kinds = [type(layer).__name__ for layer in nn.layer.all_layers(last)]
    assert ("Graph" in kinds) == (name == "densenet121")  # each of its layers reads the outputs of several earlier ones
    if name == "resnet18":
        assert (kinds.count("Sum"), kinds.count("Transpose")) == (8, 0)


def classifier(torch):
    layers = torch.nn
    features = layers.Sequential(layers.Conv2d(3, 4, 3), layers.ReLU(), layers.MaxPool2d(2), layers.BatchNorm2d(4))
    dense = layers.Sequential(
        layers.Flatten(), layers.Dropout(), layers.Linear(4 * 5 * 6, 7), layers.ReLU(), layers.Linear(7, 2)
    )
    return layers.Sequential(features, dense).eval()


def flattened(torch):
    layers = torch.nn
    return layers.Sequential(layers.Flatten(), layers.Linear(3 * 12 * 14, 7), layers.ReLU(), layers.Linear(7, 2)).eval()


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [False, True], ids=["TorchScript", "dynamo"])
def test_a_network_that_begins_with_flatten_has_the_weights_of_pytorch_with_channels_last(dynamo, tmp_path):
    torch = pytest.importorskip("torch")
    model, x = flattened(torch), torch.randn(2, 3, 12, 14)
    path = exported(torch, model, x, tmp_path / "model.onnx", dynamo)
    expected = model(x).detach().numpy()
    loaded = refconv.onnx.load(path)
    assert relative_error(loaded(x.numpy()), expected) < TOLERANCE
    with pytest.raises(ValueError, match="load it with data_format='channels_last'"):
        weights.to_torch(loaded)
    last = refconv.onnx.load(path, data_format="channels_last")
    assert relative_error(last(np.moveaxis(x.numpy(), 1, -1).copy()), expected) < TOLERANCE
    actual = [array for array in weights.to_torch(last).values() if array.ndim > 1]
    for ours, theirs in zip(actual, [array for array in model.state_dict().values() if array.ndim > 1], strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("data_format", [None, "channels_last"])
@pytest.mark.parametrize("dynamo", [False, True], ids=["TorchScript", "dynamo"])
def test_weights_of_a_loaded_network_are_those_of_pytorch(dynamo, data_format, tmp_path):
    torch = pytest.importorskip("torch")
    model = classifier(torch)
    path = exported(torch, model, torch.randn(2, 3, 12, 14), tmp_path / "model.onnx", dynamo)
    loaded = refconv.onnx.load(path, data_format=data_format)
    assert "Flatten" in [type(layer).__name__ for layer in nn.layer.all_layers(loaded)]
    expected = [array.numpy() for array in model.state_dict().values() if array.ndim > 1]
    actual = [array for array in weights.to_torch(loaded).values() if array.ndim > 1]
    assert [array.shape for array in actual] == [(4, 3, 3, 3), (7, 120), (2, 7)]
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_files_of_keras_load_and_agree(tmp_path):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", exc_type=ImportError)
    layers = keras.layers
    x = keras.Input((24, 20, 3))
    y = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.BatchNormalization()(y)
    y = layers.Add()([y, layers.DepthwiseConv2D(3, padding="same")(y)])
    y = layers.Concatenate()([layers.MaxPooling2D(2)(y), layers.AveragePooling2D(2)(y)])
    y = layers.Dense(5, activation="softmax")(layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(y)))
    model = keras.Model(x, y)
    batch = np.random.default_rng(0).normal(size=(3, 24, 20, 3)).astype(np.float32)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras and its exporter
        expected = np.asarray(model.predict(batch, verbose=0))
        model.export(path, format="onnx", verbose=False)
    assert relative_error(run("ONNX Runtime", path.read_bytes(), batch), expected) < TOLERANCE
    for data_format in (None, "channels_last"):
        assert relative_error(refconv.onnx.load(path, data_format=data_format)(batch), expected) < TOLERANCE
