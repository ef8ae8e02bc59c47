"""``refconv summary``."""

import refconv
from refconv import models

__all__ = ["print_summary"]


def print_summary(options) -> None:
    """Print an architecture as a table, as the command line says."""
    model, shape = chosen(options)
    refconv.summary(model, shape, depth=None if options.layers else options.depth, form=options.format)


def chosen(options):
    """The network that the command line names, not built, and its input's shape."""
    name = variant(options.model, options.small)
    asked = {key: value for key in ("style", "classes", "width") if (value := getattr(options, key)) is not None}
    return models.build(name, **asked), input_shape(name, options.input)


def variant(model, small):
    """The name of an architecture, or of its small variant."""
    return f"{model}-small" if small else model


def input_shape(name, size):
    """One input of this model: its paper's, or of this height and width, and channels if there are three numbers."""
    paper = models.input_shape(name)
    return (*size, paper[-1])[:3] if size else paper
