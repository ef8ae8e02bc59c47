"""Arguments that select an architecture, shared by several commands."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from refconv._errors import ArgumentValueError
from refconv.cli.arguments import positive, real, size

if TYPE_CHECKING:
    from refconv import nn
    from refconv.cli.parser import Parser
    from refconv.typing import Shape

__all__ = ["add_architecture", "add_variant", "chosen", "input_shape", "is_saved", "model_name", "refuse_variant", "variant"]


ONLY_FOR_NAMES = ("small", "input", "width", "style", "classes", "seed")  # options that a saved model does not accept


def add_architecture(parser: Parser) -> None:
    """Add the arguments for the name of an architecture, or a saved model, and its options."""
    from refconv import models

    add = parser.add_argument
    names = ", ".join(models.names())
    add("model", type=name_or_file, metavar="MODEL", help=f"a model file, the folder of a run, packaged weights, or: {names}")
    add_variant(add)
    add("--classes", type=positive, metavar="N", help="number of classes")


def add_variant(add: Callable[..., Any]) -> None:
    """Add the options that select a variant of an architecture."""
    add("--small", action="store_true", help="use the small variant, which trains on a laptop")
    add("--input", type=size, metavar="HxW", help="input size, or HxWxC (default: as in the paper)")
    add("--width", type=real, metavar="X", help="multiply the number of filters of each layer by X")
    add("--style", metavar="STYLE", help="variant of lenet, alexnet, googlenet or inception-v3: the paper's, or a later one")


def chosen(options: argparse.Namespace) -> tuple[nn.Layer, Shape]:
    """Return the network that the options select, and its input shape.

    A network from a file is built; a named architecture is not.
    """
    from refconv import models

    if is_saved(options.model):
        from refconv.cli.saved_model import find_weights, load_network

        refuse_variant(options)
        network = load_network(find_weights(options.model))
        return network, saved_shape(network)
    name = variant(options.model, options.small)
    given = {key: value for key in ("style", "classes", "width") if (value := getattr(options, key)) is not None}
    return models.create(name, **given), input_shape(name, options.input)


def saved_shape(network: nn.Layer) -> Shape:
    """Return the input shape of a loaded network."""
    from refconv.nn.description import built_shape

    return built_shape(network) or ()


def refuse_variant(options: argparse.Namespace) -> None:
    """Refuse options of architectures for a saved model."""
    for option in ONLY_FOR_NAMES:
        value = getattr(options, option, None)
        if value is not None and value is not False:  # 0, as in --seed 0, is also given
            raise ArgumentValueError(f"--{option} must only be given for the name of an architecture, got {options.model}")


def is_saved(text: str) -> bool:
    """Return True for an existing file or folder, or packaged weights.

    The name of an architecture takes precedence.
    """
    from refconv import models

    try:
        models.canonical_name(text)
    except ValueError:
        return os.path.exists(text) or ":" in text
    return False


def name_or_file(text: str) -> str:
    """Parse the name of an architecture, or of a saved model, which is returned unchanged."""
    return text if is_saved(text) else model_name(text)


def model_name(text: str) -> str:
    """Parse the name of an architecture, in any spelling that ``models.create`` accepts."""
    from refconv import models

    try:
        return models.canonical_name(text)
    except ValueError as error:
        _, got, advice = str(error).partition(f"got {text!r}")
        raise argparse.ArgumentTypeError(f"must be one of the networks listed by --help, {got}{advice}") from None


def variant(model: str, small: bool) -> str:
    """Return the name of an architecture, or of its small variant if ``small`` is True."""
    return f"{model}-small" if small and not model.endswith("-small") else model


def input_shape(name: str, size: Shape | None) -> Shape:
    """Return the input shape of a model: as in the paper, or with the given size."""
    from refconv import models

    paper = models.input_shape(name)
    return (*size, paper[-1])[:3] if size else paper
