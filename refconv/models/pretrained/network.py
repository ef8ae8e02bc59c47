"""Networks of the registry with trained weights, from this folder or from a file.

README.md in this folder lists the packaged weights with their recipes, accuracies and checksums.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from refconv._errors import ArgumentTypeError, ArgumentValueError, suggestion
from refconv.nn import Layer
from refconv.nn.description import built_shape

__all__ = ["PACKAGED", "trained_network", "weights_path"]

PACKAGED = {"lenet": ("mnist", "digits"), "resnet20": ("cifar10",)}  # the file of a pair is NETWORK-WEIGHTS.safetensors
FOLDER = Path(__file__).parent

Weights = str | os.PathLike[str]


def weights_path(name: str, weights: Weights) -> Path:
    """Return the path of the packaged weights of this name, or of a file or folder.

    A name of packaged weights takes precedence over a file of the same name in the working folder.

    Parameters
    ----------
    name : str
        Name of the network as in ``models.names()``.
    weights : str or path
        Name of packaged weights, such as "mnist", or a path.

    Raises
    ------
    TypeError, ValueError
        If there are neither packaged weights of this name nor such a file.
    """
    if not isinstance(weights, str | os.PathLike):
        raise ArgumentTypeError(f"weights must be a name or a path, got {weights!r}")
    packaged = PACKAGED.get(name, ())
    if weights in packaged:
        return FOLDER / f"{name}-{weights}.safetensors"
    path = Path(weights).expanduser()
    if path.exists():
        return path
    names = f"one of {', '.join(map(repr, packaged))} for {name}, or " if packaged else ""
    got = f"{os.fspath(weights)!r}{suggestion(difflib.get_close_matches(str(weights), packaged))}"
    raise ArgumentValueError(f"weights must be {names}a model file or the folder of a run, got {got}")


def trained_network(create: Callable[..., Layer], name: str, weights: Weights, arguments: Mapping[str, Any]) -> Layer:
    """Return a built network with trained weights; see :func:`refconv.models.create`.

    Parameters
    ----------
    create : callable
        Function of the arguments that creates the network without weights.
    name, weights
        As for :func:`weights_path`.
    arguments : dict
        The arguments that the user has given.
    """
    path = weights_path(name, weights)
    network = _read(path)
    if "classes" in signature(create).parameters:
        arguments = {"classes": _classes(network), **arguments}
        if arguments["classes"] != _classes(network):
            raise ArgumentValueError(
                f"classes must be {_classes(network)}, as in {path.name}, got {arguments['classes']!r}; for other classes, "
                "replace the last layer with nn.replace_layer, or use refconv train --from"
            )
    if different := _difference(create(**arguments), network):
        raise ArgumentValueError(f"weights must belong to {name} with these arguments, got {path.name} ({different})")
    return network


def _read(path: Path) -> Layer:
    """Return the network in a file, with no frozen layers.

    The format of a file is decided here. At present, only refconv's own format is read.
    """
    from refconv.weights.model import load

    return load(path).unfreeze()


def _classes(network: Layer) -> int:
    """Return the number of scores of a built network."""
    shape = built_shape(network)
    return network.output_shape(shape)[-1] if shape else 0


def _difference(expected: Layer, network: Layer) -> str:
    """Describe the first difference between the layers; an argument would be ignored there."""
    from refconv.weights.architecture import difference

    return difference(expected, network)
