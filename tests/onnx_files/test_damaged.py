"""Tests that damaged and hostile ONNX files are refused, and cannot read other files."""

import numpy as np
import pytest

import refconv
from refconv import nn
from refconv.cli import main

onnx = pytest.importorskip("onnx")

TensorProto, helper = onnx.TensorProto, onnx.helper


def proto():
    from refconv.onnx.writing.save import model_proto

    model = nn.Sequential(dense=nn.Dense(3), relu=nn.ReLU())
    model.build((4,), rng=0)
    return model_proto(model)


def tensor(model, name="dense.w"):
    return next(t for t in model.graph.initializer if t.name == name)


def refused(tmp_path, data, message, error=refconv.ArgumentValueError):
    path = tmp_path / "model.onnx"
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=message) as raised:
        refconv.onnx.load(path)
    assert str(raised.value).startswith(str(path))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must have at least one byte"),
        (b"<html>not found</html>", "is not an ONNX model"),
        (b"\x08\x09", "it has no graph"),
        (lambda: proto().SerializeToString()[:-40], "is not an ONNX model|damaged"),
    ],
)
def test_files_that_are_not_onnx_are_refused(data, message, tmp_path):
    refused(tmp_path, data if isinstance(data, bytes) else data(), message, refconv.onnx.InvalidModelError)


@pytest.mark.parametrize("kind", ["BFLOAT16", "FLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "UINT8", "STRING", "COMPLEX64", "INT4"])
def test_weights_of_other_types_are_refused_by_name(kind, tmp_path):
    model = proto()
    tensor(model).data_type = TensorProto.DataType.Value(kind)
    refused(
        tmp_path, model, f"tensor 'dense.w' must be of a type among FLOAT, .*, got {kind}", refconv.onnx.UnsupportedModelError
    )


@pytest.mark.parametrize("kind", ["BFLOAT16", "FLOAT16", "UINT8", "INT64"])
def test_inputs_of_other_types_are_refused_by_name(kind, tmp_path):
    model = proto()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DataType.Value(kind)
    refused(
        tmp_path, model, rf"the input must be of type FLOAT or DOUBLE, got \['{kind}'\]", refconv.onnx.UnsupportedModelError
    )


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ([4, 2], r"of shape \(4, 2\) must have 32 bytes, got 48"),
        ([2**62, 2**62], "must have at most 8 axes and"),
        ([-4, -3], "must have at most 8 axes and"),
        ([1] * 20, "must have at most 8 axes"),
        ([3, 4], "must have a bias for 4 outputs"),
    ],
)
def test_sizes_are_checked_before_memory_is_allocated(dims, message, tmp_path):
    model = proto()
    tensor(model).dims[:] = dims
    refused(tmp_path, model, message)


def test_typed_fields_are_counted(tmp_path):
    model = proto()
    weights = tensor(model)
    weights.ClearField("raw_data")
    weights.float_data.extend([0.0] * 11)
    refused(tmp_path, model, "must have 12 elements, got 11")


def test_cycles_and_missing_names_are_refused(tmp_path):
    model = proto()
    first, second = model.graph.node
    first.input[0] = second.output[0]
    refused(tmp_path, model, "topological order, without cycles: Gemm 'dense' reads 'output'", refconv.onnx.InvalidModelError)
    first.input[0] = "nowhere"
    refused(tmp_path, model, "reads 'nowhere', which no earlier node computes", refconv.onnx.InvalidModelError)


def test_names_that_are_defined_twice_are_refused(tmp_path):
    model = proto()
    model.graph.node[1].output[0] = model.graph.node[0].output[0]
    refused(tmp_path, model, "each name must be defined once", refconv.onnx.InvalidModelError)
    model = proto()
    model.graph.initializer.append(tensor(model))
    refused(tmp_path, model, "the names of the weights must be distinct", refconv.onnx.InvalidModelError)


def external(model, location, **others):
    weights = tensor(model)
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **others}.items():
        weights.external_data.add(key=key, value=str(value))
    return model


def test_external_data_in_the_folder_are_read(tmp_path):
    model = proto()
    expected = np.frombuffer(tensor(model).raw_data, np.float32).reshape(4, 3)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "data").write_bytes(b"12345" + expected.tobytes() + b"end")
    path = tmp_path / "model.onnx"
    path.write_bytes(external(model, "weights/data", offset=5, length=48).SerializeToString())
    assert (refconv.onnx.load(path)["dense"].parameters["w"].value == expected).all()


@pytest.mark.parametrize(
    "location",
    ["../secret", "/etc/passwd", "a/../../secret", "C:\\secret", "\\\\server\\secret", "", "link", "folder/secret", "."],
)
def test_external_data_outside_the_folder_are_refused(location, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(bytes(48))
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "folder").symlink_to(tmp_path)
    refused(inside, external(proto(), location), "external data of tensor 'dense.w' must", refconv.onnx.InvalidModelError)


@pytest.mark.parametrize(
    "bounds", [{"offset": 1}, {"offset": -1}, {"length": 44}, {"offset": "0x0"}, {"offset": 10**18}, {"size": 3}]
)
def test_bounds_of_external_data_are_checked(bounds, tmp_path):
    (tmp_path / "data").write_bytes(bytes(48))
    refused(
        tmp_path,
        external(proto(), "data", **bounds),
        "external data of tensor 'dense.w' must have",
        refconv.onnx.InvalidModelError,
    )


def test_constants_that_would_grow_without_bound_are_refused(tmp_path):
    nodes = [helper.make_node("Concat", ["c", "c"], ["c1"], axis=0)]
    nodes += [helper.make_node("Concat", [f"c{k}", f"c{k}"], [f"c{k + 1}"], axis=0) for k in range(1, 60)]
    nodes.append(helper.make_node("Add", ["x", "c60"], ["y"]))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], [helper.make_tensor("c", TensorProto.FLOAT, [4], [0.0] * 4)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    refused(tmp_path, model, r"a node Concat must not compute more than \d+ elements", refconv.onnx.UnsupportedModelError)


REPEATED = {  # nodes whose layers each need an array, and the constants of the graph
    "MatMul": ([4], {}, {"size": [4, 4]}, ["size"]),
    "Add": ([2, 9], {}, {"size": [2, 9]}, ["size"]),
    "Resize": ([1, 1, 5], {"mode": "linear"}, {"sizes": [1, 1, 1, 6], "back": [1, 1, 1, 5]}, []),
    "Gather": ([9], {"axis": 1}, {"indices": [8, 7, 6, 5, 4, 3, 2, 1, 0]}, []),
}


@pytest.mark.parametrize("op", REPEATED)
def test_small_files_whose_layers_need_much_memory_are_refused(op, tmp_path, monkeypatch):
    shape, attributes, constants, computed = REPEATED[op]
    nodes = [helper.make_node("ConstantOfShape", computed, ["w"])] if computed else []
    for k in range(40):
        others = {"Resize": ["", "", ["sizes", "back"][k % 2]], "Gather": ["indices"]}.get(op, ["w"])
        nodes.append(helper.make_node(op, [f"x{k}", *others], [f"x{k + 1}"], **attributes))
    path = tmp_path / "model.onnx"
    path.write_bytes(graph_of(nodes, shape, constants).SerializeToString())
    assert len(refconv.onnx.load(path).layers) >= 40
    monkeypatch.setattr("refconv.onnx.reading.reader.MAX_COMPUTED", 200)
    message = rf"a node {op} must not need more than \d+ elements of weights"
    refused(tmp_path, path.read_bytes(), message, refconv.onnx.UnsupportedModelError)


def graph_of(nodes, shape, constants):
    """Return a graph from x0 to the output of the last node.

    Its constants are vectors of integers.
    """
    tensors = [helper.make_tensor(name, TensorProto.INT64, [len(n)], n) for name, n in constants.items()]
    x = helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["n", *shape])
    y = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])


def test_copies_of_transposed_constants_are_counted(tmp_path, monkeypatch):
    nodes = [helper.make_node("ConstantOfShape", ["size"], ["a0"])]
    for k in range(9):
        nodes.append(helper.make_node("Transpose", [f"a{k}"], [f"t{k}"]))
        nodes.append(helper.make_node("Reshape", [f"t{k}", "size"], [f"a{k + 1}"]))
    model = graph_of([*nodes, helper.make_node("Relu", ["x0"], ["y"])], [4], {"size": [3, 5]})
    monkeypatch.setattr("refconv.onnx.reading.folding.MAX_FOLDED", 100)
    refused(tmp_path, model, "a node Reshape must not compute more than 100 elements", refconv.onnx.UnsupportedModelError)


def test_external_data_are_shared_by_few_tensors(tmp_path):
    (tmp_path / "data").write_bytes(bytes(48))
    model = external(proto(), "data")
    for k in range(7):
        model.graph.initializer.add().CopyFrom(tensor(model))
        model.graph.initializer[-1].name = f"copy{k}"
        model.graph.initializer[-1].external_data[0].value = "./" * k + "data"
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    refconv.onnx.load(tmp_path / "model.onnx")
    model.graph.initializer.add().CopyFrom(tensor(model))
    model.graph.initializer[-1].name = "one too many"
    refused(tmp_path, model, "at most 8 tensors must share the same external data, .* in data", refconv.onnx.InvalidModelError)


def test_names_of_equal_nodes_need_no_search(tmp_path, monkeypatch):
    from refconv.onnx.reading import reader

    candidates = []
    monkeypatch.setattr(reader, "distinct", lambda name, used: candidates.append(name in used) or name)
    nodes = [helper.make_node("Relu", [f"x{k}"], [f"x{k + 1}"], "same") for k in range(5)]
    (tmp_path / "model.onnx").write_bytes(graph_of(nodes, [4], {}).SerializeToString())
    assert [*refconv.onnx.load(tmp_path / "model.onnx").layers] == ["same", *(f"same_{k}" for k in range(2, 6))]
    assert candidates == [False] * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: setattr(m.opset_import[0], "version", 3), "the opset must be from 6 to"),
        (lambda m: m.functions.add(name="f"), "must have no local functions, got 'f'; onnx.inliner"),
        (lambda m: m.graph.sparse_initializer.add().values.__setattr__("name", "w"), "must have no sparse weights, got 'w'"),
        (lambda m: m.graph.output.add(name="dense"), "the graph must have one output"),
        (lambda m: m.graph.output[0].__setattr__("name", "nowhere"), "a node must compute the output 'nowhere'"),
        (lambda m: m.graph.input[0].type.ClearField("tensor_type"), "input 'input' must be an array"),
        (lambda m: setattr(m.graph.node[0].attribute.add(name="transB", type=2, i=1), "i", 1), r"'dense' \(Gemm\) must"),
    ],
)
def test_other_faults_are_named(change, message, tmp_path):
    model = proto()
    change(model)
    refused(tmp_path, model, message)


def test_notes_that_are_not_json_are_refused(tmp_path):
    model = proto()
    helper.set_model_props(model, {"refconv": "{"})
    refused(tmp_path, model, "the notes in the metadata must be JSON", refconv.onnx.InvalidModelError)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        refconv.onnx.load(tmp_path / "missing.onnx")
    with pytest.raises(refconv.onnx.InvalidModelError, match="got a folder"):
        refconv.onnx.load(tmp_path)


def test_negative_variances_and_names_in_another_encoding_are_refused(tmp_path):
    model = nn.Sequential(norm=nn.BatchNorm())
    model.build((4,), rng=0)
    refconv.onnx.save(model, tmp_path / "norm.onnx")
    changed = onnx.load(tmp_path / "norm.onnx")
    (var,) = (tensor for tensor in changed.graph.initializer if tensor.name == "norm.var")
    var.raw_data = np.float32([1, 1, -2, 1]).tobytes()
    refused(tmp_path, changed, "must have variances of at least 0", refconv.onnx.UnsupportedModelError)
    content = (tmp_path / "norm.onnx").read_bytes().replace(b"norm.gamma", b"norm.\xff\xfe\xff\xfe\xff")
    (tmp_path / "norm.onnx").write_bytes(content)
    with pytest.raises(refconv.onnx.InvalidModelError, match=r"UTF-8|damaged"):
        refconv.onnx.load(tmp_path / "norm.onnx")


def subgraph(*nodes, outputs=("o",), inputs=()):
    """Return a graph inside a node, which may read names of the graph outside."""
    types = {"i": TensorProto.INT64, "condition": TensorProto.BOOL, "again": TensorProto.BOOL}
    declared = [
        [helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), None) for n in names] for names in (inputs, outputs)
    ]
    return helper.make_graph(nodes, "inner", *declared)


def branches(then, otherwise, output="y", name="branch"):
    return helper.make_node("If", ["flag"], [output], name, then_branch=then, else_branch=otherwise)


PRODUCT = subgraph(helper.make_node("MatMul", ["x0", "w"], ["o"]))
WEIGHTS = subgraph(helper.make_node("Identity", ["w"], ["o"]))
BODY = subgraph(
    helper.make_node("Identity", ["condition"], ["again"]),
    helper.make_node("MatMul", ["v", "w"], ["o"]),
    inputs=("i", "condition", "v"),
    outputs=("again", "o"),
)
CONTROL_FLOW = {
    "If": [branches(PRODUCT, PRODUCT)],
    "If inside If": [branches(subgraph(branches(PRODUCT, PRODUCT, "o", "inner")), PRODUCT)],
    "If of weights": [branches(WEIGHTS, WEIGHTS, "k"), helper.make_node("MatMul", ["x0", "k"], ["y"])],
    "unused If": [branches(WEIGHTS, WEIGHTS, "k"), helper.make_node("MatMul", ["x0", "w"], ["y"])],
    "If of missing names": [branches(subgraph(helper.make_node("Add", ["x0", "nowhere"], ["o"])), PRODUCT)],
    "Loop": [helper.make_node("Loop", ["count", "flag", "x0"], ["y"], "branch", body=BODY)],
}


@pytest.mark.parametrize("name", CONTROL_FLOW)
def test_subgraphs_that_read_weights_of_the_graph_outside_are_refused_by_name(name, tmp_path, capsys):
    model = graph_of(CONTROL_FLOW[name], [4], {})
    arrays = {"w": np.eye(4, dtype=np.float32), "flag": np.array(True), "count": np.array(3)}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, key) for key, array in arrays.items())
    message = rf"node 'branch' \({'Loop' if name == 'Loop' else 'If'}\) is an operator that refconv has no layer for$"
    refused(tmp_path, model, message, refconv.onnx.UnsupportedModelError)
    assert main(["summary", str(tmp_path / "model.onnx")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "node 'branch'" in line


def test_functions_of_a_file_are_named_also_if_no_node_calls_them(tmp_path):
    inline = pytest.importorskip("onnx.inliner").inline_local_functions
    relu, opset = helper.make_node("Relu", ["a"], ["b"]), helper.make_opsetid("", 19)
    function = helper.make_function("my.domain", "Twice", ["a"], ["b"], [relu], [opset])
    for node in (helper.make_node("Twice", ["x0"], ["y"], domain="my.domain"), helper.make_node("Relu", ["x0"], ["y"])):
        model = graph_of([node], [4], {})
        model.functions.append(function)
        model.opset_import.append(helper.make_opsetid("my.domain", 1))
        refused(tmp_path, model, "got 'my.domain.Twice'; onnx.inliner", refconv.onnx.UnsupportedModelError)
        (tmp_path / "model.onnx").write_bytes(inline(model).SerializeToString())
        (layer,) = refconv.onnx.load(tmp_path / "model.onnx").layers.values()
        assert isinstance(layer, nn.ReLU)
