"""Tests that nodes of an ONNX file that share weights share them in the network."""

import warnings

import numpy as np
import pytest

import refconv
from onnx_graphs import again, batch, kinds, written
from onnx_runtimes import relative_error
from refconv import nn, optim, training

helper = pytest.importorskip("onnx").helper
evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
TOLERANCE = 1e-5
RNG = np.random.default_rng(5)
ARRAYS = {
    "w": RNG.normal(size=(4, 4)).astype(np.float32),
    "b": RNG.normal(size=4).astype(np.float32),
    "c": RNG.normal(size=4).astype(np.float32),
    "zeros": np.zeros(4, np.float32),
    "other": RNG.normal(size=(4, 4)).astype(np.float32),
}


def loaded(path, nodes, shape=(4,), **others):
    used = {name for node in nodes for name in node.input}
    return refconv.onnx.load(written(path, nodes, shape, {k: a for k, a in (ARRAYS | others).items() if k in used}))


def expected(path, x):
    """Return the output of the file, computed by the package onnx."""
    return evaluator(str(path)).run(None, {"x": x})[0]


def step(model, shape, classes):
    """Train for one step; return the values of all parameters before and after."""
    before = {name: parameter.value.copy() for name, parameter in model.named_parameters().items()}
    training.train_step(model, optim.SGD(model, lr=0.1), batch(shape, 4), np.arange(4) % classes)
    return before, {name: parameter.value for name, parameter in model.named_parameters().items()}


def gemm(x, y, w="w", b="b", **attributes):
    return helper.make_node("Gemm", [x, w, b], [y], **attributes)


SHARED = {
    "Gemm": [gemm("x", "a"), helper.make_node("Relu", ["a"], ["r"]), gemm("r", "y")],
    "MatMul and Add": [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["n"]),
        helper.make_node("Add", ["b", "n"], ["y"]),
    ],
    "parallel branches": [
        gemm("x", "a"),
        helper.make_node("Relu", ["x"], ["r"]),
        gemm("r", "c1"),
        helper.make_node("Concat", ["a", "c1"], ["y"], axis=1),
    ],
    "transposed constants": [
        helper.make_node("Transpose", ["w"], ["t1"]),
        helper.make_node("MatMul", ["x", "t1"], ["m"]),
        helper.make_node("Relu", ["m"], ["r"]),
        helper.make_node("Transpose", ["w"], ["t2"]),
        helper.make_node("MatMul", ["r", "t2"], ["y"]),
    ],
}


@pytest.mark.parametrize("name", SHARED)
def test_nodes_with_the_same_weights_become_one_layer_and_stay_one_in_training(name, tmp_path):
    model = loaded(tmp_path / "m.onnx", SHARED[name])
    layers = {id(layer) for layer in nn.layer.all_layers(model) if isinstance(layer, nn.Dense)}
    assert (kinds(model).count("Dense"), len(layers)) == (2, 1)
    assert len(model.named_parameters()) == len({"w", "b"} & {x for node in SHARED[name] for x in node.input})
    x = batch((4,))
    assert relative_error(model(x), expected(tmp_path / "m.onnx", x)) < TOLERANCE
    before, after = step(model, (4,), 4)
    assert all((after[name] != before[name]).any() for name in before)
    y = model(x)
    model.save(tmp_path / "m.safetensors")
    assert (refconv.load(tmp_path / "m.safetensors")(x) == y).all()
    returned = again(model, tmp_path / "again.onnx")  # the weights are stored once
    assert relative_error(returned(x), y) < TOLERANCE
    assert returned.named_parameters().keys() == after.keys()


def test_convolutions_of_images_of_two_sizes_share_their_kernels(tmp_path):
    conv = [helper.make_node("Conv", [x, "k", "b"], [y], pads=[1, 1, 1, 1]) for x, y in (("x", "a"), ("p", "d"))]
    nodes = [conv[0], helper.make_node("MaxPool", ["a"], ["p"], kernel_shape=[2, 2], strides=[2, 2]), conv[1]]
    nodes.append(helper.make_node("GlobalAveragePool", ["d"], ["g"]))
    nodes.append(helper.make_node("Flatten", ["g"], ["y"]))
    model = loaded(tmp_path / "m.onnx", nodes, (4, 6, 8), k=RNG.normal(size=(4, 4, 3, 3)).astype(np.float32))
    assert len({id(layer) for layer in nn.layer.all_layers(model) if isinstance(layer, nn.Conv2D)}) == 1
    before, after = step(model, (4, 6, 8), 4)
    assert len(after) == 2
    for name, parameter in model.named_parameters().items():
        parameter.value = before[name]
    x = batch((4, 6, 8))
    assert relative_error(model(x), expected(tmp_path / "m.onnx", x)) < TOLERANCE


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([gemm("x", "a"), gemm("a", "y", b="c")], "'w'"),
        ([gemm("x", "a"), gemm("a", "y", alpha=2.0)], "'w'"),
        ([gemm("x", "a"), gemm("a", "y", transB=1)], "'w'"),
        ([gemm("x", "a", "other"), gemm("a", "y")], "'b'"),
    ],
    ids=["another bias", "scaled", "transposed", "another matrix"],
)
def test_layers_with_only_some_weights_in_common_are_named_in_a_warning(nodes, weights, tmp_path):
    path = tmp_path / "m.onnx"
    with pytest.warns(
        UserWarning, match=rf"m.onnx: the layers gemm, gemm_2 share the weights {weights} in the file, but diff"
    ):
        model = loaded(path, nodes)
    x = batch((4,))
    assert relative_error(model(x), expected(path, x)) < TOLERANCE
    assert len(model.named_parameters()) == 4


def test_initial_values_that_an_exporter_merged_are_not_shared(tmp_path):
    norm = [helper.make_node("BatchNormalization", [x, "ones", "zeros", "zeros", "ones"], [y]) for x, y in ("xa", "de")]
    nodes = [norm[0], gemm("a", "d", b="zeros"), norm[1], gemm("e", "y", "other", "zeros")]
    model = loaded(tmp_path / "m.onnx", nodes, ones=np.ones(4, np.float32))
    assert len({id(layer) for layer in model.layers.values()}) == 4


def test_weights_that_pytorch_copied_are_not_shared(tmp_path):
    nodes = [helper.make_node("Identity", ["w"], ["v"]), gemm("x", "a", b="zeros"), gemm("a", "y", "v", "zeros")]
    assert len(loaded(tmp_path / "m.onnx", nodes).named_parameters()) == 4


def test_numbers_that_several_nodes_use_are_no_weights(tmp_path):
    half = {"half": np.float32(0.5)}
    nodes = [helper.make_node("Mul", ["x", "half"], ["a"]), helper.make_node("Add", ["a", "half"], ["y"])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loaded(tmp_path / "m.onnx", nodes, **half)(np.ones((1, 4), np.float32)).tolist() == [[1.0] * 4]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["module", "weight", "copy"])
def test_layers_of_pytorch_are_shared_as_there(kind, tmp_path):
    import copy

    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    first, second = torch.nn.Linear(5, 5), torch.nn.Linear(5, 5)
    second = {"module": first, "weight": second, "copy": copy.deepcopy(first)}[kind]
    if kind == "weight":
        second.weight = first.weight
    model, x = torch.nn.Sequential(first, torch.nn.Tanh(), second), torch.randn(2, 5)
    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter
        torch.onnx.export(model, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = refconv.onnx.load(path)
    assert len(network.named_parameters()) == {"module": 2, "weight": 4, "copy": 4}[kind]
    assert len(caught) == (kind == "weight")
    assert relative_error(network(x.numpy()), model(x).detach().numpy()) < TOLERANCE
