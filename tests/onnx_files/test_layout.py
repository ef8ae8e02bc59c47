"""Tests of layouts, flattened images and names in networks from ONNX files."""

import numpy as np
import pytest

import refconv
from onnx_graphs import again, batch, kinds, written
from onnx_layers import LAYERS
from onnx_runtimes import relative_error
from refconv import nn, weights

onnx = pytest.importorskip("onnx")
helper = onnx.helper
TOLERANCE = 1e-5
RNG = np.random.default_rng(2)


def random(*shape):
    return RNG.normal(size=shape).astype(np.float32)


# As PyTorch exports a convolution, a flattened image and a classifier: channels first, matrices (outputs, inputs).
WEIGHTS = {
    "conv.weight": random(4, 3, 2, 2),
    "fc.weight": random(5, 4 * 6 * 7),
    "fc.bias": random(5),
    "out.weight": random(2, 5),
    "out.bias": random(2),
    **{f"norm.{name}": random(4 * 6 * 7) ** 2 for name in ("weight", "bias", "mean", "var")},
}
CLASSIFIER = [
    helper.make_node("Conv", ["x", "conv.weight"], ["c"], "conv1"),
    helper.make_node("Flatten", ["c"], ["f"], "flat"),
    helper.make_node("BatchNormalization", ["f", *(f"norm.{n}" for n in ("weight", "bias", "mean", "var"))], ["n"]),
    helper.make_node("Relu", ["n"], ["r"], "relu"),
    helper.make_node("Gemm", ["r", "fc.weight", "fc.bias"], ["g"], transB=1),
    helper.make_node("Gemm", ["g", "out.weight", "out.bias"], ["y"], transB=1),
]


def classifier(path, nodes=CLASSIFIER, output="y"):
    return written(path / "model.onnx", nodes, [3, 7, 8], WEIGHTS, output=output)


def expected(x):
    """Return the rectified features and the scores of images (N, C, H, W)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), (2, 3))
    features = np.einsum("bchwij,ocij->bohw", windows, WEIGHTS["conv.weight"]).reshape(len(x), -1)
    w, b, mean, var = (WEIGHTS[f"norm.{name}"] for name in ("weight", "bias", "mean", "var"))
    rectified = np.maximum((features - mean) / np.sqrt(var + 1e-5) * w + b, 0)
    return rectified, (rectified @ WEIGHTS["fc.weight"].T + WEIGHTS["fc.bias"]) @ WEIGHTS["out.weight"].T + WEIGHTS["out.bias"]


@pytest.mark.parametrize("data_format", [None, "channels_last"])
def test_weights_after_flatten_return_to_pytorch_unchanged(tmp_path, data_format):
    model = refconv.onnx.load(classifier(tmp_path), data_format=data_format)
    transposes = [] if data_format else ["Transpose"]
    assert kinds(model) == ["Sequential", *transposes, "Conv2D", "Flatten", "BatchNorm", "ReLU", "Dense", "Dense"]
    x = batch((3, 7, 8))
    assert relative_error(model(x.transpose(0, 2, 3, 1) if data_format else x), expected(x)[1]) < TOLERANCE
    state_dict = weights.to_torch(model)
    names = {"running_mean": "mean", "running_var": "var"}
    for key in state_dict.keys() - {"norm.num_batches_tracked"}:
        layer, _, suffix = key.rpartition(".")
        np.testing.assert_array_equal(state_dict[key], WEIGHTS[f"{layer}.{names.get(suffix, suffix)}"], err_msg=key)
    weights.from_torch(model, {**state_dict, "fc.weight": 2 * state_dict["fc.weight"], "fc.bias": 2 * state_dict["fc.bias"]})
    y = 2 * (expected(x)[1] - WEIGHTS["out.bias"]) + WEIGHTS["out.bias"]
    assert relative_error(model(x.transpose(0, 2, 3, 1) if data_format else x), y) < TOLERANCE


def test_flattened_images_keep_their_order_where_it_has_other_effects(tmp_path):
    x = batch((3, 7, 8))
    model = refconv.onnx.load(classifier(tmp_path, CLASSIFIER[:4], "r"))
    assert kinds(model)[-4:] == ["Transpose", "Flatten", "BatchNorm", "ReLU"]
    assert relative_error(model(x), expected(x)[0]) < TOLERANCE
    softmax = [*CLASSIFIER[:4], helper.make_node("Concat", ["r", "r"], ["d"], axis=1)]
    model = refconv.onnx.load(classifier(tmp_path, softmax, "d"))
    assert relative_error(model(x), np.hstack([expected(x)[0]] * 2)) < TOLERANCE
    with pytest.raises(ValueError, match="layers between images and norm must be a Flatten and layers that keep the order"):
        weights.to_torch(model)


def test_an_image_of_unknown_layout_is_reshaped_and_not_written_for_pytorch(tmp_path):
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w", "b"], ["y"])]
    w = {"w": random(3 * 4 * 5, 2), "b": random(2)}
    path = written(tmp_path / "model.onnx", nodes, [3, 4, 5], w)
    model, x = refconv.onnx.load(path), batch((3, 4, 5))
    assert kinds(model) == ["Sequential", "Reshape", "Dense"]
    assert relative_error(model(x), x.reshape(3, -1) @ w["w"] + w["b"]) < TOLERANCE
    with pytest.raises(ValueError, match=r"the order in PyTorch is unknown; .* load it with data_format='channels_last'$"):
        weights.to_torch(model)
    last = refconv.onnx.load(path, data_format="channels_last")
    assert kinds(last) == ["Sequential", "Flatten", "Dense"]
    (state,) = (array for array in weights.to_torch(last).values() if array.ndim == 2)
    np.testing.assert_array_equal(state, w["w"].T)
    refconv.onnx.save(model, tmp_path / "again.onnx")
    assert kinds(refconv.onnx.load(tmp_path / "again.onnx")) == ["Sequential", "Reshape", "Dense"]


def test_files_of_refconv_store_their_layout(tmp_path):
    model = nn.Sequential(conv=nn.Conv2D(4, 2), flatten=nn.Flatten(), fc=nn.Dense(3))
    model.build((7, 8, 5), rng=0)
    x = batch((7, 8, 5))
    loaded = again(model, tmp_path / "last.onnx", data_format="channels_last")
    assert (loaded.input_shape, kinds(loaded)) == ((7, 8, 5), kinds(model))
    assert relative_error(loaded(x), model(x)) < TOLERANCE
    refconv.onnx.save(model, tmp_path / "first.onnx", data_format="channels_first")
    first = refconv.onnx.load(tmp_path / "first.onnx")
    assert (first.input_shape, kinds(first)[1]) == ((5, 7, 8), "Transpose")
    for data_format, shape in (("channels_last", (7, 8, 5)), (None, (5, 7, 8))):
        loaded = again(first, tmp_path / "again.onnx", data_format=data_format)
        assert loaded.input_shape == shape
        assert relative_error(loaded(x.reshape(3, *shape) if data_format else x.transpose(0, 3, 1, 2)), model(x)) < TOLERANCE
    refconv.onnx.save(first, tmp_path / "last.onnx", data_format="channels_last")
    assert refconv.onnx.load(tmp_path / "last.onnx").input_shape == (7, 8, 5)


def test_a_file_that_moves_the_channels_to_the_front_has_channels_last(tmp_path):
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["p"]),
        helper.make_node("Transpose", ["p"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "conv.weight"], ["c"]),
        helper.make_node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]),
    ]
    path = written(tmp_path / "model.onnx", nodes, [7, 8, 3], {**WEIGHTS, "pads": np.array([0, 1, 0, 0, 0, 0, 0, 0])})
    x = batch((7, 8, 3))
    for data_format in (None, "channels_last"):
        model = refconv.onnx.load(path, data_format=data_format)
        assert kinds(model) == ["Sequential", "Pad", "Conv2D"]
        assert model(x).shape == (3, 7, 7, 4)


def test_other_layouts_are_refused(tmp_path):
    path = classifier(tmp_path)
    for data_format in ("channels_first", "channels-last", 3):
        with pytest.raises(ValueError, match=r"data_format must be 'channels_last' or None, got"):
            refconv.onnx.load(path, data_format=data_format)
    proto = onnx.load(path)
    helper.set_model_props(proto, {"refconv_data_format": "NCHW"})
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ValueError, match=r"model.onnx: the layout in the metadata must be .*, got 'NCHW'"):
        refconv.onnx.load(path)


def test_a_node_gives_its_name_to_the_layer_that_computes_it(tmp_path):
    conv = helper.make_node("Conv", ["x", "kernel"], ["c"], "conv1")
    other = helper.make_node("Sub", ["c", "c"], ["y"], "difference")
    path = written(tmp_path / "model.onnx", [conv, other], [3, 7, 8], {"kernel": WEIGHTS["conv.weight"]})
    model = refconv.onnx.load(path)
    assert isinstance(model["conv1"], nn.Conv2D)
    assert isinstance(model["difference"], nn.Sum)
    assert [*model.layers] == ["transpose", "conv1", "difference", "transpose_2"]


@pytest.mark.parametrize("name", LAYERS)
def test_names_do_not_grow_with_each_file(name, tmp_path):
    model, shape = LAYERS[name]
    model.build(shape, rng=0)
    models = [model := again(model, tmp_path / "model.onnx", data_format="channels_last") for _ in range(3)]
    names = [[name for name, _, _ in model.distinct_layers(model.input_shape)] for model in models]
    assert names[1] == names[2]
