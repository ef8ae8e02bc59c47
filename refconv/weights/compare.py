"""Comparison of a network with the one that its saved name, arguments and input shape build."""

import dataclasses
import warnings

import numpy as np

import refconv.models as models
from refconv._errors import ArgumentValueError

__all__ = ["check_reproducible", "differing_names", "parameter_shapes", "settings", "shapes"]

NOT_SETTINGS = ("input_shape",)  # attributes of layers that building sets


def check_reproducible(model, tensors, description):
    """Raise an error unless :func:`load_model` would build this network from its description; warn of training settings."""
    dtypes = {a.dtype for a in tensors.values()}
    if len(dtypes) != 1:
        raise ArgumentValueError(f"model must have parameters of one type, got {sorted(map(str, dtypes))}")
    name, arguments, shape = description["name"], description["arguments"], tuple(description["input_shape"])
    rebuilt = models.create(name, **arguments)
    call = f"models.create({', '.join([repr(name), *(f'{key}={value!r}' for key, value in arguments.items())])})"
    networks = rebuilt, model
    differing = (
        differing_names(parameter_shapes(rebuilt, shape), shapes(tensors))
        or differing_names(*(_layer_types(network, shape) for network in networks))
        or _differing_settings(*(settings(network, shape) for network in networks))
    )
    if differing:
        raise ArgumentValueError(
            f"model must be what {call} builds for inputs of shape {shape}, got differences in {_first_three(differing)}; "
            "pass the name, arguments and input_shape that it was built with"
        )
    expected, actual = (settings(network, shape, training=True) for network in networks)
    if differing := _differing_settings(expected, actual):
        changes = _first_three([f"{key} ({actual[key]}, there {expected[key]})" for key in differing])
        reason = "load_model builds the latter, which is the same in inference"
        # The level makes the warning point at the call of save_model.
        warnings.warn(f"model differs from what {call} builds in {changes}; {reason}", stacklevel=3)


def parameter_shapes(model, shape):
    """Return the shapes of the parameters that building would create, by their names; nothing is allocated."""
    layers = [("", model, shape), *[(f"{name}.", *rest) for name, *rest in [*model.distinct_layers(shape)][1:]]]
    return {f"{name}{key}": spec.shape for name, layer, inner in layers for key, spec in layer.specs(inner).items()}


def shapes(tensors):
    """Return the shapes of named arrays."""
    return {name: a.shape for name, a in tensors.items()}


def differing_names(expected, actual):
    """Return the names under which two dictionaries differ, in order."""
    return [name for name in [*expected, *(actual.keys() - expected.keys())] if expected.get(name) != actual.get(name)]


def settings(model, shape, training=False):
    """Return the settings of all layers by their dotted names: those used in inference, or those used only in training."""
    return {
        f"{name}.{key}": value
        for name, layer, _ in model.distinct_layers(shape)
        for key, value in vars(layer).items()
        if key not in NOT_SETTINGS and (key in layer.training_settings) == training and _is_setting(value)
    }


def _is_setting(value):
    """True if a value is a number, a string, None, a dataclass such as Window, or a collection of such values."""
    if isinstance(value, dict):
        return all(map(_is_setting, value.values()))
    if isinstance(value, tuple | list):
        return all(map(_is_setting, value))
    return isinstance(value, int | float | str | np.generic | None) or dataclasses.is_dataclass(value)


def _differing_settings(expected, actual):
    """Names of settings that differ; an attribute that only one network has is ignored, such as a built layer's generator."""
    return [key for key in expected if key in actual and expected[key] != actual[key]]


def _layer_types(model, shape):
    return {name: type(layer).__name__ for name, layer, _ in model.distinct_layers(shape)}


def _first_three(items):
    return ", ".join(items[:3]) + (", …" if len(items) > 3 else "")
