"""Writing of networks as ONNX graphs, with one module for each family of layers."""

from refconv.onnx.writing import activations, cells, combinators, convolutions, loaded, normalisation, p4, pooling, resizing
from refconv.onnx.writing.save import save
from refconv.onnx.writing.writer import Value, Writer, register

__all__ = [
    "Value",
    "Writer",
    "activations",
    "cells",
    "combinators",
    "convolutions",
    "loaded",
    "normalisation",
    "p4",
    "pooling",
    "register",
    "resizing",
    "save",
]
