"""What many architectures are made of: a convolution with what always follows it, and a width for all channel counts."""

from collections.abc import Hashable

from refconv.geometry import per_axis
from refconv.nn import BatchNorm, Conv2D, Dense, ReLU, Sequential
from refconv.nn.argument import real

__all__ = ["CIFAR", "IMAGENET", "choice", "conv_bn_relu", "conv_relu", "scaled", "score_layer", "stack", "whole"]

IMAGENET = (224, 224, 3)
CIFAR = (32, 32, 3)


def scaled(channels, width, groups=1):
    """A number of channels times the width multiplier, to the nearest whole one, at least 1.

    If a convolution works in groups, it is the channels of each group that are scaled: all keep equally many.

    >>> scaled(96, 0.25), scaled(3, 0.1), scaled(256, 0.3, groups=2)
    (24, 1, 76)

    Source: M15; Howard et al., 2017, section 3.3, where width is α.
    """
    if real("width", width) <= 0:
        raise ValueError(f"width must be larger than 0, but is {width!r}")
    if groups > 1 and channels % groups:
        raise ValueError(f"groups must divide the filters, but is {groups} with {channels:g} filters")
    return groups * max(1, round(channels / groups * width))


def whole(name, value, least=1):
    """A whole number of at least 1 (or whatever else is the least), or an error that names the argument.

    >>> whole("classes", 26)
    26
    """
    (number,) = per_axis(name, value, 1, least=least)
    return number


def score_layer(classes, **arguments):
    """The dense layer that ends most networks: a score for each class."""
    return Dense(whole("classes", classes), **arguments)


def conv_relu(filters, kernel_size, **arguments):
    """A convolution and a ReLU."""
    return Sequential(conv=Conv2D(filters, kernel_size, **arguments), relu=ReLU())


def conv_bn_relu(filters, kernel_size, **arguments):
    """A convolution, batch normalisation, which makes a bias pointless (A17), and a ReLU."""
    return Sequential(conv=Conv2D(filters, kernel_size, bias=False, **arguments), norm=BatchNorm(), relu=ReLU())


def stack(name, layers):
    """Layers as a dict with numbered names, ready to be unpacked into a Sequential.

    >>> list(stack("block", [ReLU(), ReLU()]))
    ['block1', 'block2']
    """
    return {f"{name}{k}": layer for k, layer in enumerate(layers, 1)}


def choice(name, value, options):
    """An entry of a table, by its key; a ``ValueError`` that names the argument if there is none."""
    if not isinstance(value, Hashable) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, but is {value!r}")
    return options[value]
