"""Errors about ONNX files: invalid files, and graphs without equal layers of refconv."""

from refconv._errors import ArgumentValueError

__all__ = ["InvalidModelError", "UnsupportedModelError", "require"]


class InvalidModelError(ArgumentValueError):
    """Error about a file that is no valid ONNX model."""

    __module__ = "refconv.onnx"


class UnsupportedModelError(ArgumentValueError):
    """Error about a graph that refconv's layers cannot express; it names the operator."""

    __module__ = "refconv.onnx"


def require(condition: object, expected: str) -> None:
    """Raise :class:`UnsupportedModelError` unless a condition holds.

    ``expected`` follows the name of the node in the message.
    """
    if not condition:
        raise UnsupportedModelError(expected)
