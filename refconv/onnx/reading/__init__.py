"""Reading of ONNX files as networks, with one module for each family of operators."""

from refconv.onnx.reading import convolutions, pointwise, pooling, resizing, shapes
from refconv.onnx.reading.errors import InvalidModelError, UnsupportedModelError
from refconv.onnx.reading.load import load

__all__ = ["InvalidModelError", "UnsupportedModelError", "convolutions", "load", "pointwise", "pooling", "resizing", "shapes"]
