"""Layers that graphs from ONNX files need in addition to :mod:`refconv.nn`."""

from refconv.onnx.layers.arithmetic import Add, Average, Clip, Concatenate, Join, Multiply, Scale, Shift
from refconv.onnx.layers.graph import Graph
from refconv.onnx.layers.resize import Resize
from refconv.onnx.layers.shape import Pad, ReduceMean, Reshape, Slice, Transpose

__all__ = [
    "Add",
    "Average",
    "Clip",
    "Concatenate",
    "Graph",
    "Join",
    "Multiply",
    "Pad",
    "ReduceMean",
    "Reshape",
    "Resize",
    "Scale",
    "Shift",
    "Slice",
    "Transpose",
]
