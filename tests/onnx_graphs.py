"""Small ONNX graphs for tests, and networks that return from a file."""

import numpy as np

import refconv
from refconv import nn


def batch(shape, size=3):
    """Return random examples of this shape."""
    return np.random.default_rng(1).normal(size=(size, *shape)).astype(np.float32)


def again(model, path, **options):
    """Save a network, and load it with these arguments."""
    refconv.onnx.save(model, path)
    return refconv.onnx.load(path, **options)


def written(path, nodes, shape, weights=(), opset=19, output="y"):
    """Write a graph with the input x, of this shape after the batch."""
    import onnx

    helper = onnx.helper
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", *shape])],
        [onnx.ValueInfoProto(name=output)],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in dict(weights).items()],
    )
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString())
    return path


def kinds(model):
    """Return the names of the classes of all layers."""
    return [type(layer).__name__ for layer in nn.layer.all_layers(model)]
