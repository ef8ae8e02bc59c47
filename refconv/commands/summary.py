"""``refconv summary``."""

from refconv import models, nn

__all__ = ["print_summary"]


def print_summary(options) -> None:
    """Print an architecture as a table, as the command line says."""
    model, shape = chosen(options)
    nn.summary(model, shape, depth=None if options.layers else options.depth, form=options.format)


def chosen(options):
    """The network that the command line names, not built, and its input's shape."""
    name = f"{options.model}-small" if options.small else options.model
    asked = {key: value for key in ("style", "classes", "width") if (value := getattr(options, key)) is not None}
    shape = models.input_shape(name)
    if options.input:
        shape = (*options.input, shape[-1]) if len(options.input) == 2 else options.input
    return models.build(name, **asked), shape
