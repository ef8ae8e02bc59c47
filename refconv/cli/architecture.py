"""Arguments that select an architecture, shared by several commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from refconv.cli.arguments import positive, real, size

if TYPE_CHECKING:
    from refconv import nn
    from refconv.cli.parser import Parser
    from refconv.typing import Shape

__all__ = ["add_architecture", "add_variant", "chosen", "input_shape", "model_name", "variant"]


def add_architecture(parser: Parser) -> None:
    """Add the arguments for the name of an architecture and its options."""
    from refconv import models

    add = parser.add_argument
    add("model", type=model_name, metavar="MODEL", help=f"one of: {', '.join(models.names())}")
    add_variant(add)
    add("--classes", type=positive, metavar="N", help="number of classes")


def add_variant(add: Callable[..., Any]) -> None:
    """Add the options that select a variant of an architecture."""
    add("--small", action="store_true", help="use the small variant, which trains on a laptop")
    add("--input", type=size, metavar="HxW", help="input size, or HxWxC (default: as in the paper)")
    add("--width", type=real, metavar="X", help="multiply the number of filters of each layer by X")
    add("--style", metavar="STYLE", help="variant of lenet, alexnet, googlenet or inception-v3: the paper's, or a later one")


def chosen(options: argparse.Namespace) -> tuple[nn.Layer, Shape]:
    """Return the network that the options select, before ``build``, and its input shape."""
    from refconv import models

    name = variant(options.model, options.small)
    given = {key: value for key in ("style", "classes", "width") if (value := getattr(options, key)) is not None}
    return models.create(name, **given), input_shape(name, options.input)


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
