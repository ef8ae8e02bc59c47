"""Tests that ONNX files become trainable networks of our layers with the same outputs."""

import copy

import numpy as np
import pytest

import refconv
from onnx_graphs import again, batch, kinds, written
from onnx_layers import LAYERS
from onnx_runtimes import disturb, relative_error, run
from refconv import models, nn, optim, training

onnx = pytest.importorskip("onnx")
helper = onnx.helper
TOLERANCE = 1e-5


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_survives_a_file(name, tmp_path):
    model, shape = copy.deepcopy(LAYERS[name])
    model.build(shape, rng=0)
    disturb(model)
    loaded = again(model, tmp_path / "model.onnx")
    assert loaded.input_shape == shape
    assert relative_error(loaded(x := batch(shape)), model(x)) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_an_architecture_survives_a_file(name, tmp_path):
    model, shape = models.create(f"{name}-small"), models.input_shape(f"{name}-small")
    model.build(shape, rng=0)
    loaded = again(disturb(model), tmp_path / "model.onnx")
    assert relative_error(loaded(x := batch(shape)), model(x)) < TOLERANCE
    assert "Transpose" not in kinds(loaded)


def test_a_residual_network_becomes_sums_and_chains_with_its_names(tmp_path):
    model = models.create("resnet20-small")
    model.build((32, 32, 3), rng=0)
    loaded = again(model, tmp_path / "model.onnx")
    assert kinds(loaded).count("Sum") == kinds(model).count("Sum") == 3
    assert "Graph" not in kinds(loaded)
    assert "stem_conv" in loaded.layers or next(iter(loaded.layers)).startswith("conv")
    assert loaded.count_parameters((32, 32, 3)) == model.count_parameters((32, 32, 3))


def test_a_loaded_network_is_saved_summarised_drawn_and_trained(tmp_path, capsys):
    model = nn.Sequential(conv=nn.Conv2D(4, 3), norm=nn.BatchNorm(), relu=nn.ReLU(), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((6, 7, 2), rng=0)
    model.notes = {"classes": ["a", "b", "c"]}
    loaded = again(model, tmp_path / "model.onnx")
    assert loaded.notes == model.notes
    loaded.summary()
    assert "Conv2D(4, 3×3)" in capsys.readouterr().out
    assert loaded._repr_html_() is None or "<svg" in loaded._repr_html_()
    x, labels = batch((6, 7, 2), 9), np.arange(9) % 3
    optimizer = optim.SGD(loaded, lr=0.1)
    losses = [training.train_step(loaded, optimizer, x, labels)[0] for _ in range(9)]
    assert losses[-1] < losses[0] / 2
    loaded.save(tmp_path / "model.safetensors")
    assert (refconv.load(tmp_path / "model.safetensors")(x) == loaded(x)).all()


def test_images_of_files_with_channels_first_may_have_their_channels_last(tmp_path):
    model = nn.Sequential(nn.Conv2D(4, 2), nn.ReLU())
    model.build((7, 8, 3), rng=0)
    refconv.onnx.save(model, tmp_path / "model.onnx", data_format="channels_first")
    x = batch((7, 8, 3))
    first = refconv.onnx.load(tmp_path / "model.onnx")
    assert (first.input_shape, kinds(first)) == ((3, 7, 8), ["Sequential", "Transpose", "Conv2D", "ReLU", "Transpose"])
    assert relative_error(first(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1), model(x)) < TOLERANCE
    last = refconv.onnx.load(tmp_path / "model.onnx", data_format="channels_last")
    assert (last.input_shape, kinds(last)) == ((7, 8, 3), ["Sequential", "Conv2D", "ReLU"])
    assert relative_error(last(x), model(x)) < TOLERANCE


def test_float64_files_become_float64_networks(tmp_path):
    w = np.random.default_rng(0).normal(size=(4, 3))
    path = written(tmp_path / "model.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"])], [4], {"w": w})
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    path.write_bytes(proto.SerializeToString())
    x = batch((4,)).astype(np.float64)
    np.testing.assert_allclose(refconv.onnx.load(path)(x), x @ w, rtol=1e-14)


def test_a_matrix_product_and_its_bias_become_one_dense_layer(tmp_path):
    weights = {"w": np.ones((4, 3), np.float32), "b": np.arange(3, dtype=np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["b", "p"], ["y"])]
    model = refconv.onnx.load(written(tmp_path / "model.onnx", nodes, [4], weights))
    assert kinds(model) == ["Sequential", "Dense"]
    assert model(np.ones((1, 4), np.float32)).tolist() == [[4, 5, 6]]
    nodes.append(helper.make_node("Mul", ["y", "p"], ["z"]))  # the product without its bias is also used
    model = refconv.onnx.load(written(tmp_path / "model.onnx", nodes, [4], weights, output="z"))
    assert model(np.ones((1, 4), np.float32)).tolist() == [[16, 20, 24]]


def test_values_that_are_used_in_several_ways_become_a_graph_with_the_right_gradient(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Concat", ["x", "a"], ["c"], axis=1),
        helper.make_node("Gemm", ["c", "w"], ["d"]),
        helper.make_node("Concat", ["x", "a", "d"], ["y"], axis=1),
    ]
    w = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    path = written(tmp_path / "model.onnx", nodes, [4], {"w": w})
    model = refconv.onnx.load(path)
    assert "Graph" in kinds(model)
    x = batch((4,))
    assert relative_error(model(x), run("ONNX Runtime", path.read_bytes(), x)) < TOLERANCE
    y, backward = model.forward(x)
    dy = batch(y.shape[1:])
    dx, eps, index = backward(dy), 1e-2, (1, 2)
    both = [x.copy() for _ in range(2)]
    both[0][index] += eps
    both[1][index] -= eps
    slope = ((model(both[0]) - model(both[1])) * dy).sum() / (2 * eps)
    assert slope == pytest.approx(dx[index], rel=1e-2)


def test_arithmetic_of_computed_arrays_agrees(tmp_path):
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["squares"]),
        helper.make_node("ReduceMean", ["squares", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sqrt", ["mean"], ["deviation"]),
        helper.make_node("Div", ["x", "deviation"], ["normed"]),
        helper.make_node("Pow", ["normed", "three"], ["cubes"]),
        helper.make_node("Div", ["two", "mean"], ["inverse"]),
        helper.make_node("Reciprocal", ["inverse"], ["half"]),
        helper.make_node("Mul", ["cubes", "half"], ["p"]),
        helper.make_node("MatMul", ["matrix", "p"], ["y"]),
    ]
    constants = {"axes": np.array([2], np.int64), "three": np.float32(3), "two": np.float32(2)}
    constants["matrix"] = batch((4,), 2)
    model = refconv.onnx.load(written(tmp_path / "model.onnx", nodes, [4, 5], constants))
    x = batch((4, 5))
    mean = (x * x).mean(2, keepdims=True)
    expected = constants["matrix"] @ (x**3 / mean**1.5 * mean / 2)
    assert relative_error(model(x), expected) < TOLERANCE


def test_shapes_that_an_exporter_computes_are_folded(tmp_path):
    integer = {"zero": np.int64(0), "axes": np.array([0], np.int64), "rest": np.array([-1], np.int64)}
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "axes"], ["m"]),
        helper.make_node("Concat", ["m", "rest"], ["t"], axis=0),
        helper.make_node("Reshape", ["x", "t"], ["y"]),
    ]
    model = refconv.onnx.load(written(tmp_path / "model.onnx", nodes, [2, 3], integer))
    assert kinds(model) == ["Sequential", "Reshape"]
    assert model(batch((2, 3))).shape == (3, 6)


def test_dropout_is_active_in_training_again(tmp_path):
    nodes = [helper.make_node("Dropout", ["x", "ratio"], ["y"])]
    model = refconv.onnx.load(written(tmp_path / "model.onnx", nodes, [50], {"ratio": np.float32(0.75)}))
    x = np.ones((4, 50), np.float32)
    assert (model(x) == x).all()
    assert 0.5 < (model.forward(x)[0] == 0).mean() < 0.95


def test_the_input_shape_is_given_if_the_file_does_not_fix_it(tmp_path):
    path = written(tmp_path / "model.onnx", [helper.make_node("Relu", ["x"], ["y"])], [3, "height", "width"])
    with pytest.raises(refconv.onnx.UnsupportedModelError, match=r"input_shape must be given, because the file does not fix"):
        refconv.onnx.load(path)
    assert refconv.onnx.load(path, input_shape=(3, 5, 7)).input_shape == (3, 5, 7)
    assert refconv.onnx.load(path, input_shape=(5, 7, 3), data_format="channels_last").input_shape == (5, 7, 3)
    for shape in ((4, 5, 7), (3, 5), (3, 0, 7)):
        with pytest.raises(ValueError, match="input_shape must"):
            refconv.onnx.load(path, input_shape=shape)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Erf", ["x"], ["y"]), r"a node Erf is an operator that refconv has no layer for"),
        (helper.make_node("Relu", ["x"], ["y"], domain="com.example"), "must be an operator of ONNX itself"),
        (helper.make_node("Pow", ["x", "pads"], ["y"]), "must have weights of floats as input 1"),
        (helper.make_node("ReduceMax", ["x", "pads"], ["y"]), "must be over the four rotations of p4"),
        (helper.make_node("Softmax", ["x"], ["y"], axis=0), "must not normalise over the batch"),
        (helper.make_node("Transpose", ["x"], ["y"], perm=[1, 0, 2]), "must keep the batch first"),
        (helper.make_node("LRN", ["x"], ["y"], size=4), "must have an odd size, got 4"),
        (helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[9]), "must fit refconv's layer: the padded input"),
        (helper.make_node("MaxPool", ["x"], ["y", "z"], kernel_shape=[2]), "must have one output that is used"),
        (helper.make_node("Conv", ["x", "x"], ["y"]), "must have a constant input 1"),
        *((helper.make_node(op, ["x"], ["y"]), "must have two inputs, got 1") for op in ("Add", "Sub", "Mul", "Div")),
        *((helper.make_node(op, ["x"] * 3, ["y"]), "must have two inputs, got 3") for op in ("Add", "Sub", "Mul", "Div")),
        (helper.make_node("Concat", [], ["y"], axis=1), "must have an input"),
        (helper.make_node("LayerNormalization", ["x", "four"], ["y"], axis=1), "must normalise over the last axis alone"),
        (helper.make_node("LayerNormalization", ["x", "four"], ["y"], axis=0), "must normalise over the last axis alone"),
        (helper.make_node("LayerNormalization", ["x", "one"], ["y"]), r"must have a scale of shape \(4,\), got \(1,\)"),
        (helper.make_node("Gather", ["pads"], ["y"]), "must have constant inputs that fit together"),
        (helper.make_node("Reshape", ["", "pads"], ["y"]), "must have constant inputs that fit together"),
        (helper.make_node("Cast", ["", "pads"], ["y"], to=1), "must have constant inputs that fit together"),
        (helper.make_node("Pad", ["x", "pads"], ["y"], mode="wrap"), "must have a mode among constant, edge, reflect"),
    ],
)
def test_what_our_layers_cannot_express_is_refused_by_name(node, message, tmp_path):
    nodes = [node, helper.make_node("Add", ["y", "z"], ["w"])] if "z" in node.output else [node]
    arrays = {"pads": np.array([0, 0, 1, 0, 0, 0], np.int64), "four": np.ones(4, np.float32), "one": np.ones(1, np.float32)}
    path = written(tmp_path / "model.onnx", nodes, [3, 4], arrays)
    with pytest.raises(refconv.onnx.UnsupportedModelError, match=message):
        refconv.onnx.load(path)


@pytest.mark.parametrize(
    ("attributes", "scale", "size", "pixels"),
    [
        (("pytorch_half_pixel", "round_prefer_floor"), 0.7, 6, [0, 2, 3, 4]),  # the last position is 4.5
        (("pytorch_half_pixel", "round_prefer_ceil"), 0.7, 6, [0, 2, 3, 5]),
        (("asymmetric", "round_prefer_ceil"), 0.9, 10, [0, 1, 2, 3, 4, 6, 7, 8, 9]),  # 9 outputs
        (("asymmetric", "floor"), 1.1, 11, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
def test_scales_are_fractions_as_in_other_programs(tmp_path, attributes, scale, size, pixels):
    names = ("coordinate_transformation_mode", "nearest_mode")
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest", **dict(zip(names, attributes, strict=True)))
    written(tmp_path / "m.onnx", [node], (1, size), {"scales": np.float32([1, 1, scale])})
    x = np.arange(size, dtype=np.float32).reshape(1, 1, size)
    assert refconv.onnx.load(tmp_path / "m.onnx")(x).ravel().tolist() == pixels


@pytest.mark.parametrize(("axis", "has_bias"), [(-1, True), (3, False)])
def test_layer_normalisation_of_each_position_agrees(tmp_path, axis, has_bias):
    arrays = {"gamma": batch((5,), 1)[0], "beta": batch((5,), 2)[1]}
    inputs = ["t", "gamma", *["beta"] * has_bias]
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("LayerNormalization", inputs, ["n"], axis=axis, epsilon=0.1),
        helper.make_node("Transpose", ["n"], ["y"], perm=[0, 3, 1, 2]),
    ]
    model, x = refconv.onnx.load(written(tmp_path / "m.onnx", nodes, (5, 3, 4), arrays)), batch((5, 3, 4))
    deviations = x - x.mean(1, keepdims=True)
    expected = deviations / np.sqrt(x.var(1, keepdims=True) + 0.1) * arrays["gamma"][:, None, None]
    expected += arrays["beta"][:, None, None] * has_bias
    assert relative_error(model(x), expected) < TOLERANCE
    assert kinds(model) == ["Sequential", "Transpose", "LayerNorm", "Transpose"]
