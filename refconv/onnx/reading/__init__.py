"""Reading of ONNX files as networks, with one module for each family of operators."""

from refconv.onnx.reading import convolutions, pointwise, pooling, resizing, shapes
from refconv.onnx.reading.errors import DamagedFile, NotExpressible
from refconv.onnx.reading.load import load

__all__ = ["DamagedFile", "NotExpressible", "convolutions", "load", "pointwise", "pooling", "resizing", "shapes"]
