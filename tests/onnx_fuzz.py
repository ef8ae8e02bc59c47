"""Fuzzing of refconv.onnx.load: valid files, changed at random.

    python -m tests.onnx_fuzz --cases 3000

Each case either loads or is refused with a ``ValueError`` that names the file. Any other exception, a case that takes longer
than a minute, or more than 4 GiB of memory is a failure.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

import refconv
from refconv import nn

__all__ = ["fuzz", "seeds"]

MAX_BYTES, MAX_SECONDS = 4 * 2**30, 60
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


def changed(proto, rng):
    """Return the bytes of a changed copy: fields of the message, or bytes of the file."""
    proto = type(proto).FromString(proto.SerializeToString())
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        rng.choice(CHANGES)(proto.graph, rng)
    if rng.random() < 0.1:
        proto.opset_import[0].version = rng.choice((0, 7, 9, 10, 11, 12, 13, 17, 18, 23, 99))
    data = bytearray(proto.SerializeToString())
    if rng.random() < 0.4:
        for _ in range(rng.choice((1, 1, 3, 30))):
            data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.1:
        del data[rng.randrange(len(data)) :]
    if rng.random() < 0.05:
        position = rng.randrange(len(data) + 1)
        data[position:position] = rng.randbytes(rng.choice((1, 9, 100)))
    return bytes(data)


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


CHANGES = (_attribute, _attribute, _tensor, _tensor, _names, _nodes, _input)


def fuzz(count, seed, folder):
    """Run cases and count their outcomes; raise the first exception that is not a refusal."""
    rng = random.Random(seed)
    protos = seeds()
    outcomes = Counter()
    path = Path(folder) / "model.onnx"
    for case in range(count):
        data = changed(protos[case % len(protos)], rng)
        path.write_bytes(data)
        signal.alarm(MAX_SECONDS)
        try:
            model = refconv.onnx.load(path)
            outcomes["loaded"] += 1
            shape = model.input_shape
            if shape is not None and model.all_activations(shape) + np.prod(shape, dtype=float) < MAX_ELEMENTS:
                with np.errstate(all="ignore"):
                    model(
                        np.zeros((2, *shape), next(iter(p.value.dtype for p in model.named_parameters().values()), np.float32))
                    )
                outcomes["run"] += 1
        except ValueError as error:
            if not str(error).startswith(str(path)) or "Error: " in str(error):
                kept = Path(tempfile.gettempdir()) / f"refconv-fuzz-{seed}-{case}.onnx"
                kept.write_bytes(data)
                raise AssertionError(f"case {case}, kept as {kept}: {error}") from error
            outcomes[type(error).__name__] += 1
        except BaseException:
            kept = Path(tempfile.gettempdir()) / f"refconv-fuzz-{seed}-{case}.onnx"
            kept.write_bytes(data)
            print(f"case {case} is kept as {kept}", file=sys.stderr)
            raise
        finally:
            signal.alarm(0)
    return outcomes


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        outcomes = fuzz(options.cases, options.seed, folder)
    print(
        f"{options.cases} cases, crashes: none; " + ", ".join(f"{name}: {count}" for name, count in sorted(outcomes.items()))
    )


if __name__ == "__main__":
    main()
