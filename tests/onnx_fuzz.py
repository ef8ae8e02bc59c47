"""Fuzzing of refconv.onnx.load: each changed file is loaded or refused.

    python -m tests.onnx_fuzz --cases 3000

There must be no other error and no crash; see ``benchmarks.fuzzing``. Each case changes a valid file at random: the graph, its
weights, its version, bytes of the file, or its length. A refusal must be an ``ArgumentError`` whose message names the file.
The program needs the package onnx.
"""

import numpy as np

import refconv
from benchmarks import fuzzing
from refconv import nn

MAX_ELEMENTS = 10**6  # of the activations of a network that is run
INTEGERS = (0, 1, -1, 2, 3, 7, 255, 2**16, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63))
WORDS = (b"", b"SAME_UPPER", b"VALID", b"reflect", b"linear", b"cubic", b"half_pixel", b"\xff\xfe", b"../weights")


def seeds():
    """Return valid models, which together contain all families of operators."""
    from refconv.onnx.writing.save import model_proto

    residual = nn.Sum(nn.Identity(), nn.Sequential(nn.Conv2D(4, 3, padding="same"), nn.BatchNorm()))
    classifier = nn.Sequential(nn.Conv2D(4, 3, stride=2), residual, nn.ReLU6(), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(3))
    decoder = nn.Sequential(
        nn.Concat(nn.Pad2D(1), nn.Pad2D(1, mode="reflect")),
        nn.Upsample2D(2, mode="bilinear"),
        nn.ConvTranspose2D(3, 2, stride=2),
        nn.LocalResponseNorm(3),
        nn.AvgPool2D(2, count_include_pad=True, padding=1),
        nn.Crop2D(1),
        nn.GroupNorm(3),
        nn.Softmax(),
        nn.PadChannels(4),
        nn.Select([2, 0]),
        nn.GlobalAvgPool2D(),
    )
    models = []
    for model, shape in ((classifier, (11, 12, 2)), (decoder, (5, 6, 2))):
        model.build(shape, rng=0)
        models.append(model_proto(model))
    return [*models, _exported()]


def _exported():
    """Return a graph with shapes that are computed from the input, as exporters write it."""
    from onnx import TensorProto, helper

    constants = {"zero": [0], "axes": [0], "rest": [-1], "starts": [1], "ends": [9], "axis": [2], "scales": [1, 1, 1.5, 2]}
    nodes = [
        helper.make_node("Slice", ["x", "starts", "ends", "axis"], ["a"]),
        helper.make_node("Resize", ["a", "", "scales"], ["b"], mode="nearest"),
        helper.make_node("ReduceMean", ["b", "axis"], ["c"]),
        helper.make_node("Mul", ["c", "b"], ["d"]),
        helper.make_node("Shape", ["d"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["t"], axis=0),
        helper.make_node("Reshape", ["d", "t"], ["e"]),
        helper.make_node("Clip", ["e"], ["y"]),
    ]
    tensors = [
        helper.make_tensor(name, TensorProto.FLOAT if name == "scales" else TensorProto.INT64, [len(values)], values)
        for name, values in constants.items()
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 6, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y], tensors), opset_imports=[helper.make_opsetid("", 19)])


def mutated(protos, rng):
    """Return the kind of a random change, and the bytes of a changed file."""
    kind = rng.choice([*KINDS, "several", "bytes"])
    proto = rng.choice(protos)
    if kind == "bytes":
        return kind, fuzzing.with_changed_bytes(proto.SerializeToString(), rng)
    if kind == "length":
        return kind, _of_other_length(proto.SerializeToString(), rng)
    proto = type(proto).FromString(proto.SerializeToString())
    if kind == "opset":
        proto.opset_import[0].version = rng.choice((0, 7, 9, 10, 11, 12, 13, 17, 18, 23, 99))
    for change in rng.choices([*CHANGES.values()], k=rng.choice((2, 4))) if kind == "several" else [CHANGES.get(kind)]:
        if change is not None:
            change(proto.graph, rng)
    return kind, proto.SerializeToString()


def _of_other_length(content, rng):
    """Return the start of the content, or the content with additional bytes."""
    position = rng.randrange(len(content))
    more = rng.randbytes(rng.choice((1, 9, 100)))
    return content[:position] if rng.random() < 0.5 else content[:position] + more + content[position:]


def _attribute(graph, rng):
    node = rng.choice(graph.node)
    if not node.attribute:
        return
    attribute = rng.choice(node.attribute)
    field = rng.choice(("i", "f", "s", "type", "ints", "name"))
    if field == "ints" and len(attribute.ints):
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(INTEGERS)
        if rng.random() < 0.3:
            attribute.ints.append(rng.choice(INTEGERS))
    elif field == "type":
        attribute.type = rng.randrange(15)
    elif field == "i":
        attribute.i = rng.choice(INTEGERS)
    elif field == "f":
        attribute.f = rng.choice((0.0, -1.0, 1e30, float("nan"), float("inf")))
    elif field == "s":
        attribute.s = rng.choice(WORDS)


def _tensor(graph, rng):
    if not graph.initializer:
        return
    tensor = rng.choice(graph.initializer)
    change = rng.randrange(6)
    if change == 0 and len(tensor.dims):
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(INTEGERS)
    elif change == 1:
        tensor.data_type = rng.randrange(30)
    elif change == 2 and tensor.raw_data:
        values = np.frombuffer(tensor.raw_data, np.int64 if tensor.data_type == 7 else np.float32).copy()
        if values.size:
            values[rng.randrange(values.size)] = rng.choice(INTEGERS[:11])
            tensor.raw_data = values.tobytes()
    elif change == 3 and len(tensor.int64_data):
        tensor.int64_data[rng.randrange(len(tensor.int64_data))] = rng.choice(INTEGERS)
    elif change == 4:
        tensor.data_location = tensor.EXTERNAL
        locations = ("../secret", "/etc/passwd", "model.onnx", "", "a\\b", "missing", "C:/x")
        tensor.external_data.add(key="location", value=rng.choice(locations))
        tensor.external_data.add(key=rng.choice(("offset", "length", "other")), value=rng.choice(("0", "-1", "x", "9" * 30)))
    else:
        tensor.dims.append(rng.choice((0, 1, 2, 2**40)))


def _names(graph, rng):
    node = rng.choice(graph.node)
    names = [name for other in graph.node for name in (*other.input, *other.output)] + ["", "nowhere"]
    side = rng.choice((node.input, node.output))
    if len(side):
        side[rng.randrange(len(side))] = rng.choice(names)
    if rng.random() < 0.2:
        side.append(rng.choice(names))


def _nodes(graph, rng):
    k = rng.randrange(len(graph.node))
    change = rng.randrange(4)
    if change == 0:
        node = rng.choice(graph.node)
        from refconv.onnx.reading.reader import _FUNCTIONS

        node.op_type = rng.choice([*_FUNCTIONS, "Erf", "Loop", "Constant", "Shape", "ConstantOfShape"])
    elif change == 1 and len(graph.node) > 1:
        del graph.node[k]
    elif change == 2:
        graph.node.append(graph.node[k])
    else:
        nodes = [*graph.node]
        rng.shuffle(nodes)
        del graph.node[:]
        graph.node.extend(nodes)


def _input(graph, rng):
    tensor = graph.input[0].type.tensor_type
    if rng.random() < 0.3:
        tensor.elem_type = rng.randrange(30)
    elif len(tensor.shape.dim):
        dim = rng.choice(tensor.shape.dim)
        dim.dim_value = rng.choice(INTEGERS)


CHANGES = {"attribute": _attribute, "tensor": _tensor, "names": _names, "nodes": _nodes, "input": _input}
KINDS = (*CHANGES, "several", "opset", "bytes", "length")


def outcome(path):
    """Return "loaded", "refused" or a description of a fault for a file; raise any other error.

    A loaded network is also run if it is small.
    """
    try:
        model = refconv.onnx.load(path)
    except refconv.ArgumentError as error:
        if "Error: " in str(error):
            return f"an error that no check has caught: {error}"
        return fuzzing.refusal(error, path)
    shape = model.input_shape
    if shape is not None and model.all_activations(shape) + np.prod(shape, dtype=float) < MAX_ELEMENTS:
        dtypes = [parameter.value.dtype for parameter in model.named_parameters().values()]
        with np.errstate(all="ignore"):
            model(np.zeros((2, *shape), dtypes[0] if dtypes else np.float32))
    return "loaded"


def run(cases, seed=0):
    """Return the number of each outcome by kind of change, and the crashes as (case, reason)."""
    protos = seeds()
    return fuzzing.run(cases, lambda rng: mutated(protos, rng), lambda: outcome, "model.onnx", seed)


def main(arguments=None):
    """Print the outcomes; return 1 if there was a crash."""
    return fuzzing.command("python -m tests.onnx_fuzz", __doc__.partition("\n")[0], 3000, KINDS, run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
