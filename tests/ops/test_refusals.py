"""Tests that invalid arrays of all operators are rejected by their own name."""

import inspect
import re

import numpy as np
import pytest

import refconv
from refconv.verify.case import fill, floats
from refconv.verify.catalogue import OPERATORS

FUNCTIONS = [(operator, name) for operator in OPERATORS.values() for name in operator.functions]
CONVERTED = "targets"  # targets of a loss may have any dtype, such as bytes
ANY_SHAPE = ("activation", "dropout", "loss")  # families that accept one array of any shape
SPACE = ("conv", "conv_transpose", "convolve", "dense", "separable", "avg_pool", "max_pool")
IN_SPACE = [(operator, name) for operator, name in FUNCTIONS if operator.family in SPACE]


def arguments_of(operator, name):
    """Return the arguments that the catalogue passes to a public function, by parameter name."""
    a = fill(operator.fixed[0], floats)
    a = a.with_arrays(dy=np.ones(np.shape(operator(a))))
    recorded = {}

    def record(*arguments, **options):
        recorded.update(inspect.signature(getattr(refconv, name)).bind(*arguments, **options).arguments)
        return getattr(refconv, name)(*arguments, **options)

    if name == operator.name:
        operator(a, record)
    else:
        (derivative,) = [derivative for derivative in operator.derivatives if derivative.name == name]
        derivative(a, record)
    return recorded


def error_message(name, arguments):
    """Return the message of the error that a public function raises for these arguments."""
    function = getattr(refconv, name)
    with pytest.raises((TypeError, ValueError)) as caught:
        function(**arguments)
    return str(caught.value)


def arrays(arguments):
    return {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize(("operator", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
def test_a_complex_array_is_rejected_by_name(operator, name):
    arguments = arguments_of(operator, name)
    for bad in arrays(arguments):
        message = error_message(name, {**arguments, bad: arguments[bad] * 1j})
        assert re.match(rf"{bad} must ", message), message


@pytest.mark.parametrize(("operator", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
@pytest.mark.parametrize("reshaped", [lambda a: a[..., None, None, None], np.ravel], ids=["more", "one"])
def test_an_array_with_a_wrong_number_of_axes_is_rejected_by_name(operator, name, reshaped):
    arguments = arguments_of(operator, name)
    for bad, array in arrays(arguments).items():
        if reshaped(array).shape == array.shape or (operator.family in ANY_SHAPE and len(arrays(arguments)) == 1):
            continue
        message = error_message(name, {**arguments, bad: reshaped(array)})
        assert re.search(rf"^{bad} must |the shape of {bad}\b|^labels must have shape", message), message


@pytest.mark.parametrize(("operator", "name"), IN_SPACE, ids=[name for _, name in IN_SPACE])
@pytest.mark.parametrize("reshaped", [lambda a: a[..., None], lambda a: a[0]], ids=["more", "less"])
def test_an_array_with_a_wrong_number_of_spatial_axes_is_rejected_by_name(operator, name, reshaped):
    arguments = arguments_of(operator, name)
    for bad, array in arrays(arguments).items():
        if np.ndim(reshaped(array)) == 0:  # a single element, which may be valid
            continue
        message = error_message(name, {**arguments, bad: reshaped(array)})
        assert re.search(rf"^{bad} must |the shape of {bad}\b", message), message


@pytest.mark.parametrize(("operator", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
def test_arrays_of_two_float_dtypes_are_rejected_by_both_names(operator, name):
    arguments = arguments_of(operator, name)
    names = [array for array, value in arrays(arguments).items() if value.dtype == float and array != CONVERTED]
    first, *others = names or [None]
    for other in others:
        message = error_message(name, {**arguments, other: arguments[other].astype(np.float32)})
        assert re.search(rf"\b{first}\b.* must have the same float type, got .*float32 for {other}\b", message), message
