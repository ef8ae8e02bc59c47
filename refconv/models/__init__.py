"""The architectures of the lectures, one family a file, each written as its paper's table reads."""

from typing import NamedTuple

from refconv.models.lenet import INPUT_SHAPE as LENET_INPUT
from refconv.models.lenet import lenet

__all__ = ["build", "input_shape", "lenet", "list"]


class _Entry(NamedTuple):
    builder: object
    input_shape: tuple


_MODELS = {"lenet": _Entry(lenet, LENET_INPUT)}


def _entry(name):
    if name not in _MODELS:
        raise ValueError(f"name must be one of {', '.join(_MODELS)}, but is {name!r}")
    return _MODELS[name]


def list():
    """The names that :func:`build` knows.

    >>> list()
    ['lenet']
    """
    return [*_MODELS]


def build(name, **arguments):
    """The architecture of this name, not yet with weights; the arguments are its builder's.

    Raises ``ValueError`` if there is none of this name, and what the builder raises.

    >>> build("lenet", classes=26).output_shape((32, 32, 1))
    (26,)

    Source: M2.
    """
    return _entry(name).builder(**arguments)


def input_shape(name):
    """The shape of one input in the paper, without the batch.

    >>> input_shape("lenet")
    (32, 32, 1)
    """
    return _entry(name).input_shape
