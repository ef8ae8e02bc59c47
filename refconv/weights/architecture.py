"""Conversion of a network's architecture to JSON data, and of such data to a network.

The data contain the class names and constructor arguments of all layers, and the settings of layers that were changed after
construction, such as ``layer.momentum = 0.9``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn import Layer
from refconv.typing import Array
from refconv.weights.names import Known
from refconv.weights.values import Decoder, Encoder, as_data

__all__ = ["Architecture", "describe", "difference", "distinct_layers"]

NOT_SETTINGS = ("_arguments", "_joins_arrays", "_parameters", "input_shape", "notes")  # saved separately, or set by build
AFTER_BUILD = ("frozen",)  # a frozen layer cannot be built

Arrays = Mapping[str, Array]
Description = dict[str, Any]


class Architecture:
    """Network constructed from a description, before it has weights.

    Parameters
    ----------
    description : dict
        The description that :func:`describe` returns.
    arrays : dict of array
        The arrays that occur in arguments and settings.
    known : Known
        Layer classes and functions that may occur by name in the description.

    Attributes
    ----------
    model : Layer
        The network, not built.
    """

    def __init__(self, description: Mapping[str, Any], arrays: Arrays, known: Known) -> None:
        decoder = Decoder(known, arrays)
        self.model = decoder.layer(description["model"])
        self._layers = distinct_layers(self.model)
        self._settings = {name: decoder.named(settings) for name, settings in description["settings"].items()}
        for name, settings in self._settings.items():
            layer = self._layers[name]
            before = settings.keys() - AFTER_BUILD
            vars(layer).update({key: settings[key] for key in before if hasattr(layer, key)})

    def restore_settings(self) -> None:
        """Set the changed settings again after ``build``.

        ``build`` may have reset them or created the attributes that they are assigned to.
        """
        for name, settings in self._settings.items():
            attributes = vars(self._layers[name])
            for key, value in settings.items():
                current = attributes.get(key)
                if isinstance(value, np.ndarray) and isinstance(current, np.ndarray) and current.shape == value.shape:
                    current[...] = value  # in place: the array may belong to a parameter
                else:
                    attributes[key] = value


def describe(model: Layer) -> tuple[Description, dict[str, Array]]:
    """Return a network's architecture as JSON data, and the arrays that it refers to.

    Parameters
    ----------
    model : Layer

    Returns
    -------
    description : dict
        "model": the class name and the arguments of the network, nested. "settings": for each layer that was changed after
        construction, by its dotted name, the attributes whose values differ from the constructor's.
    arrays : dict of array

    Raises
    ------
    TypeError
        If an argument or a changed setting cannot be saved as data, such as a lambda. The message names the layer and the
        argument.
    ValueError
        If the recorded arguments construct a network with different layers.
    """
    encoder = Encoder()
    description: Description = {"model": encoder.layer(model), "settings": {}}
    layers = distinct_layers(model)
    constructed = distinct_layers(_construct(description, encoder))
    kinds, expected = ({name: type(layer) for name, layer in network.items()} for network in (layers, constructed))
    if kinds != expected:
        name = next(name for name in {**expected, **kinds} if kinds.get(name) is not expected.get(name))
        kind, constructed_kind = (types.get(name, type(None)).__name__ for types in (kinds, expected))
        raise ArgumentValueError(
            f"layer {name} must be {constructed_kind}, as constructed by {type(model).__name__}, got {kind}; "
            "pass all layers to the constructor"
        )
    for name, layer in layers.items():
        if changed := _changed_settings(name, layer, constructed[name]):
            description["settings"][name] = {key: encoder.value(value) for key, value in changed.items()}
    return description, encoder.arrays


def difference(expected: Layer, actual: Layer) -> str:
    """Describe the first difference between the layers of two networks, or return "".

    Names, classes and settings of the layers are compared. Weights are not, and the networks need not be built.

    >>> from refconv import nn
    >>> difference(nn.Sequential(a=nn.Dense(3)), nn.Sequential(a=nn.Dense(3), b=nn.ReLU()))
    'b: ReLU, expected no layer'
    >>> difference(nn.Sequential(a=nn.Dense(3)), nn.Sequential(a=nn.Dense(4)))
    'a: units 4, expected 3'
    """
    layers, others = distinct_layers(expected), distinct_layers(actual)
    for name in {**layers, **others}:
        classes = [type(network[name]).__name__ if name in network else "no layer" for network in (others, layers)]
        if classes[0] != classes[1]:
            return f"{name or 'network'}: {classes[0]}, expected {classes[1]}"
        for key, value in _changed_settings(name, others[name], layers[name]).items():
            return f"{name or 'network'}: {key} {value!r}, expected {getattr(layers[name], key, 'none')!r}"
    return ""


def _construct(description: Description, encoder: Encoder) -> Layer:
    """Construct a network from its description, as ``load`` does."""
    try:
        return Architecture(description, encoder.arrays, Known(dict.fromkeys(encoder.named))).model
    except Exception as error:  # a user's constructor may raise any exception
        reason = f"{type(error).__name__}: {error}"
        raise ArgumentValueError(f"model must be constructible from its recorded arguments, got {reason}") from error


def distinct_layers(model: Layer) -> dict[str, Layer]:
    """Return all layers of a network by their dotted names.

    The network itself has the name "". A layer that occurs several times appears once, under its first name.
    """
    layers = {"": model}
    for name, layer in model.named_layers():
        layers |= {f"{name}.{inner}".rstrip("."): deeper for inner, deeper in distinct_layers(layer).items()}
    first: dict[int, str] = {}
    for name, layer in layers.items():
        first.setdefault(id(layer), name)
    return {name: layers[name] for name in first.values()}


def _changed_settings(name: str, layer: Layer, constructed: Layer) -> dict[str, Any]:
    """Return the attributes of a layer that differ from the values set by its constructor."""
    changed = {}
    for key, value in vars(layer).items():
        if key in NOT_SETTINGS:
            continue
        before = getattr(constructed, key, None)
        if (data := as_data(value)) is not None:
            if not hasattr(constructed, key) or as_data(before) != data:
                changed[key] = value
        elif callable(value) and not isinstance(value, Layer) and not _are_same_function(value, before):
            raise ArgumentTypeError(
                f"{key} of {type(layer).__name__} {name}".rstrip()
                + f" must be the function set by the constructor, got {value!r}"
            )
    return changed


def _are_same_function(function: Callable[..., Any], other: object) -> bool:
    """Return True if both are one function or come from the same lambda or nested definition."""
    code = getattr(function, "__code__", None)
    return function is other or (code is not None and code is getattr(other, "__code__", None))
