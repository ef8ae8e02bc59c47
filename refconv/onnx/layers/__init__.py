"""Layers that graphs from ONNX files need in addition to :mod:`refconv.nn`."""

from refconv.nn import Graph
from refconv.nn.joins import Add, Average, Concatenate, Join, Multiply
from refconv.nn.reshape import Pad, ReduceMean, Reshape, Slice, Transpose
from refconv.onnx.layers.arithmetic import Clip, Power, Scale, Shift
from refconv.onnx.layers.resize import Resize

__all__ = [
    "Add",
    "Average",
    "Clip",
    "Concatenate",
    "Graph",
    "Join",
    "Multiply",
    "Pad",
    "Power",
    "ReduceMean",
    "Reshape",
    "Resize",
    "Scale",
    "Shift",
    "Slice",
    "Transpose",
]
