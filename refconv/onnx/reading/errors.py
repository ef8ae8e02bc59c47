"""Errors about ONNX files: damaged files, and graphs that refconv cannot express."""

from refconv._errors import ArgumentValueError

__all__ = ["DamagedFile", "NotExpressible", "require"]


class DamagedFile(ArgumentValueError):  # noqa: N818 named after what is wrong
    """Error about a file that is no valid ONNX model."""

    __module__ = "refconv.onnx"


class NotExpressible(ArgumentValueError):  # noqa: N818 as above
    """Error about a graph that refconv's layers cannot express; it names the operator."""

    __module__ = "refconv.onnx"


def require(condition: object, expected: str) -> None:
    """Raise :class:`NotExpressible` unless a condition holds; the text follows the node's name."""
    if not condition:
        raise NotExpressible(expected)
