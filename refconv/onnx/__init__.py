"""Networks as ONNX files: :func:`save` writes them, :func:`load` reads them.

The package onnx is imported when a file is written or read; ``pip install "refconv[onnx]"`` installs it.
"""

from refconv.onnx.reading import InvalidModelError, UnsupportedModelError, load
from refconv.onnx.writing import Value, Writer, register, save

__all__ = ["InvalidModelError", "UnsupportedModelError", "Value", "Writer", "load", "register", "save"]
