"""Arguments that choose an architecture, shared by several commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from refconv.cli.arguments import positive, real, size

if TYPE_CHECKING:
    from refconv import nn
    from refconv.cli.parser import Parser
    from refconv.typing import Shape

__all__ = ["add_architecture", "chosen", "input_shape", "model_name", "variant"]


def add_architecture(parser: Parser) -> None:
    """Add the name of an architecture and the options that change it."""
    from refconv import models

    add = parser.add_argument
    add("model", type=model_name, metavar="MODEL", help=f"one of: {', '.join(models.names())}")
    add("--small", action="store_true", help="the small variant, which trains on a laptop")
    add("--input", type=size, metavar="HxW", help="size of the input, or HxWxC (default: the paper's)")
    add("--classes", type=positive, metavar="N", help="number of classes")
    add("--width", type=real, metavar="X", help="factor for the number of filters")
    add("--style", metavar="STYLE", help="for lenet, alexnet and googlenet: as in the paper, or a later version")


def chosen(options: argparse.Namespace) -> tuple[nn.Layer, Shape]:
    """Return the network that the options name, not yet built, and the shape of its input."""
    from refconv import models

    name = variant(options.model, options.small)
    given = {key: value for key in ("style", "classes", "width") if (value := getattr(options, key)) is not None}
    return models.create(name, **given), input_shape(name, options.input)


def model_name(text: str) -> str:
    """Name of an architecture, in any spelling that :func:`refconv.models.create` accepts."""
    from refconv import models

    try:
        return models.canonical_name(text)
    except ValueError as error:
        _, found, advice = str(error).partition(f"got {text!r}")
        raise argparse.ArgumentTypeError(f"must be a network that --help lists, {found}{advice}") from None


def variant(model: str, small: bool) -> str:
    """Return the name of an architecture, or of its small variant."""
    return f"{model}-small" if small and not model.endswith("-small") else model


def input_shape(name: str, size: Shape | None) -> Shape:
    """Return the input shape of a model: the paper's, or with another height, width and optionally channels."""
    from refconv import models

    paper = models.input_shape(name)
    return (*size, paper[-1])[:3] if size else paper
