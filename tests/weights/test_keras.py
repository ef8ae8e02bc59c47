"""Tests of files of Keras 3 that need h5py, but not Keras: round trips and refusals."""

import numpy as np
import pytest

import refconv
from keras_archives import IMAGE, LAYERS, change_config, network, randomized, tangled
from refconv import models, nn
from refconv.nn.reshape import Pad, Slice
from refconv.weights import from_keras, load_keras_weights, save_keras_weights, to_keras
from refconv.weights.keras.names import keras_order, snake_case

pytest.importorskip("h5py")


@pytest.fixture
def archive(tmp_path):
    """Return the path of an archive with a small functional network."""
    path = tmp_path / "net.keras"
    to_keras(randomized(network(), (5, 7, 3)), path)
    return path


@pytest.mark.parametrize("case", LAYERS)
def test_a_network_that_was_written_and_read_computes_the_same(tmp_path, case):
    layer, shape = LAYERS[case]
    model = randomized(layer, shape, np.float64)
    to_keras(model, tmp_path / "m.keras")
    again = from_keras(tmp_path / "m.keras")
    x = np.random.default_rng(5).standard_normal((2, *shape))
    assert again.input_shape == shape
    np.testing.assert_allclose(again(x), model(x), rtol=0, atol=1e-13)


def test_names_of_layers_stay(archive):
    model = from_keras(archive)
    assert [*model.layers] == ["joined", "relu", "mean", "scores"]
    assert [*model["joined"][1].layers] == ["joined_1_conv", "joined_1_norm"]


def test_the_same_network_gives_the_same_bytes(archive, tmp_path):
    to_keras(from_keras(archive), tmp_path / "a.keras")
    to_keras(from_keras(archive), tmp_path / "b.keras")
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()


def test_training_settings_follow_the_file(archive):
    def change(config):
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "BatchNormalization":
                layer["config"]["trainable"] = False

    change_config(archive, change)
    model = from_keras(archive)
    norm = model["joined"][1]["joined_1_norm"]
    assert norm.frozen
    assert (norm.averages, norm.momentum) == ("lecture", 0.9)
    assert model["scores"].is_trainable


def test_weights_alone_go_into_another_network(archive, tmp_path):
    model = from_keras(archive)
    save_keras_weights(model, tmp_path / "m.weights.h5")
    x = np.ones((2, 5, 7, 3), np.float32)
    for path in (tmp_path / "m.weights.h5", archive):
        other = network()
        other.build((5, 7, 3), rng=9)
        load_keras_weights(other, path)
        assert np.array_equal(other(x), model(x))
        assert other["joined"][1]["norm"].parameters["updates"].value > 1e6


def test_a_dense_layer_takes_the_weights_of_a_convolution(tmp_path):
    conv = randomized(nn.Sequential(nn.Conv2D(3, 1), nn.GlobalAvgPool2D()), (5, 7, 2))
    save_keras_weights(conv, tmp_path / "m.weights.h5")
    dense = nn.Sequential(nn.GlobalAvgPool2D(), nn.Dense(3))
    dense.build((5, 7, 2), rng=1)
    load_keras_weights(dense, tmp_path / "m.weights.h5")
    x = np.random.default_rng(2).standard_normal((4, 5, 7, 2)).astype(np.float32)
    np.testing.assert_allclose(dense(x), conv(x), rtol=1e-5)


def test_weights_of_another_network_are_refused_and_change_nothing(archive):
    other = nn.Sequential(nn.Conv2D(3, (3, 2), padding="same"), nn.Flatten(), nn.Dense(4))
    other.build((5, 7, 3), rng=9)
    before = other["0"].parameters["w"].value.copy()
    with pytest.raises(
        refconv.ArgumentError,
        match=r"net\.keras must contain the weights of the network: .*no layer for the weights in layers/batch_norm",
    ):
        load_keras_weights(other, archive)
    assert np.array_equal(other["0"].parameters["w"].value, before)


def test_an_open_image_size_needs_an_input_shape(archive):
    def change(config):
        config["config"]["layers"][0]["config"]["batch_shape"] = [None, None, None, 3]

    change_config(archive, change)
    with pytest.raises(refconv.ArgumentError, match="input_shape must be given"):
        from_keras(archive)
    assert from_keras(archive, input_shape=(8, 6, 3)).input_shape == (8, 6, 3)
    with pytest.raises(refconv.ArgumentError, match=r"must have shape \[None, None, 3\], got \(8, 6, 2\)"):
        from_keras(archive, input_shape=(8, 6, 2))


UNEXPRESSIBLE = {
    "response norm": (nn.LocalResponseNorm(5), "layer of the network \\(LocalResponseNorm\\)"),
    "reflection": (nn.Sequential(a=nn.Pad2D(1, mode="reflect")), 'layer a .* must have mode "zeros"'),
    "margins of a maximum": (nn.Sequential(a=nn.MaxPool2D(3, stride=2, padding=((1, 0), (0, 1)))), "layer a .*ReLU"),
    "channels first": (nn.Sequential(a=nn.Conv2D(3, 1, data_format="channels_first")), "layer a .*channels_last"),
    "stride and dilation": (nn.Sequential(a=nn.Conv2D(3, 2, stride=2, dilation=2)), "layer a .*stride together"),
    "uses of different shapes": (
        nn.Sequential(conv := nn.Conv2D(6, 2), conv),
        r"layer 1 \(Conv2D\) must have inputs of one shape in all its uses, got \(9, 11, 6\) and \(8, 10, 6\)",
    ),
    "pad with ones": (nn.Sequential(a=Pad([(1, 0), (0, 0), (0, 0)], value=1)), "layer a .* must pad with zeros"),
    "steps": (nn.Sequential(a=Slice([(0, 3, 2), (0, 11, 1), (0, 6, 1)])), "layer a .* must select consecutive elements"),
}


@pytest.mark.parametrize("case", UNEXPRESSIBLE)
def test_layers_that_keras_does_not_have_are_refused_by_name(tmp_path, case):
    model, message = UNEXPRESSIBLE[case]
    model.build(IMAGE, rng=0)
    with pytest.raises(refconv.ArgumentError, match=message):
        to_keras(model, tmp_path / "m.keras")
    assert not (tmp_path / "m.keras").exists()


def test_a_missing_file_is_reported_as_such(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        from_keras(tmp_path / "nowhere.keras")


def test_a_network_must_be_built(tmp_path):
    with pytest.raises(RuntimeError, match="is not built"):
        to_keras(network(), tmp_path / "m.keras")


def test_a_layer_with_several_calls_stays_one_layer(tmp_path):
    model = randomized(tangled(), IMAGE)
    to_keras(model, tmp_path / "m.keras")
    graph = from_keras(tmp_path / "m.keras")["sum"]
    assert isinstance(graph["first"]["first"], nn.Conv2D)
    assert graph["first"]["first"] is graph["first_2"]["first_2"]


def test_unused_layers_of_a_graph_are_not_written(tmp_path):
    layers = {"a": nn.Conv2D(3, 1), "b": nn.Conv2D(2, 1)}
    model = randomized(nn.Graph(layers, {"a": ["input"], "b": ["input"]}), IMAGE)
    to_keras(model, tmp_path / "m.keras")
    assert [type(layer) for layer in from_keras(tmp_path / "m.keras")] == [nn.Conv2D]


def test_names_of_classes_are_written_as_in_keras():
    names = {"InputLayer": "input_layer", "SeparableConv2D": "separable_conv2d", "LeakyReLU": "leaky_re_lu"}
    names |= {
        "ZeroPadding2D": "zero_padding2d",
        "GlobalMaxPooling1D": "global_max_pooling1d",
        "Conv1DTranspose": "conv1d_transpose",
    }
    assert {name: snake_case(name) for name in names} == names


def test_layers_at_the_same_distance_are_in_the_order_of_a_search_from_the_output():
    inputs = {"x": [], "a": ["x"], "b": ["x"], "c": ["a"], "d": ["b"], "add": ["d", "c"]}
    assert keras_order(inputs, "add") == ["x", "b", "a", "d", "c", "add"]


def test_the_calls_of_a_layer_are_listed_once_at_the_largest_distance():
    inputs = {"x": [], "a": ["x"], "b": ["a"], "again": ["b"], "add": ["again", "x"]}
    layers = {name: name for name in inputs} | {"again": "a"}
    assert keras_order(inputs, "add", layers) == ["x", "a", "b", "add"]


def test_mobilenet_takes_the_weights_of_the_convolution_that_ends_keras_network(tmp_path):
    """Keras ends with a mean that keeps its axes, a 1 × 1 convolution and a reshape."""
    shape = (34, 33, 3)
    body = models.mobilenet(7, 0.25, style="keras").cut("conv14")
    size = body.output_shape(shape)[:2]
    peer = randomized(nn.Sequential(*body, nn.AvgPool2D(size), nn.Conv2D(7, 1), nn.Flatten()), shape)
    save_keras_weights(peer, tmp_path / "m.weights.h5")
    model = models.mobilenet(7, 0.25, style="keras")
    model.build(shape, rng=9)
    load_keras_weights(model, tmp_path / "m.weights.h5")
    x = np.random.default_rng(2).standard_normal((2, *shape)).astype(np.float32)
    np.testing.assert_allclose(model(x), peer(x), rtol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (7, 5), (6, 7, 5)])
def test_layer_normalisation_over_the_last_axis_is_read_and_written_for_each_number_of_axes(tmp_path, shape):
    model, kinds = randomized(nn.Sequential(norm=nn.LayerNorm(eps=0.01, each_position=True)), shape, np.float64), []
    for name in ("a.keras", "b.keras"):
        to_keras(model, tmp_path / name)
        change_config(tmp_path / name, lambda config: kinds.append(config["config"]["layers"][-1]["class_name"]))
        model = from_keras(tmp_path / name)
    assert kinds == ["LayerNormalization"] * 2
    x = np.random.default_rng(5).standard_normal((3, *shape))
    gamma, beta = (model["norm"].parameters[name].value for name in ("gamma", "beta"))
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.01) * gamma + beta
    np.testing.assert_allclose(model(x), expected, rtol=1e-12)


@pytest.mark.parametrize("axis", [1, [1], [2, 3], [1, 2, 3], [-3, -2, -1], [3, 3], True, None, "3"])
def test_layer_normalisation_over_other_axes_is_refused_by_name(tmp_path, axis):
    model = randomized(nn.Sequential(norm=nn.LayerNorm(each_position=True)), (6, 7, 5))
    to_keras(model, tmp_path / "m.keras")
    change_config(tmp_path / "m.keras", lambda config: config["config"]["layers"][-1]["config"].update(axis=axis))
    with pytest.raises(
        refconv.ArgumentError, match=r"layer norm \(LayerNormalization\) must have the channels as its axis, got"
    ):
        from_keras(tmp_path / "m.keras")
