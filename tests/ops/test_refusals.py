"""Every array of every operator that does not fit is refused by its own name."""

import inspect
import re

import numpy as np
import pytest

import refconv
from refconv.verify.case import fill, floats
from refconv.verify.catalogue import OPERATORS

FUNCTIONS = [(operator, name) for operator in OPERATORS.values() for name in operator.functions]
CONVERTED = "targets"  # of a loss may be numbers of any type, such as bytes
ANY_SHAPE = ("activation", "dropout", "loss")  # families that take one array of any shape
SPACE = ("conv", "conv_transpose", "convolve", "dense", "separable", "avg_pool", "max_pool")
IN_SPACE = [(operator, name) for operator, name in FUNCTIONS if operator.family in SPACE]


def arguments_of(operator, name):
    """What the catalogue passes to a public function, by the names of its parameters."""
    a = fill(operator.fixed[0], floats)
    a = a.with_arrays(dy=np.ones(np.shape(operator(a))))
    passed = {}

    def record(*arguments, **options):
        passed.update(inspect.signature(getattr(refconv, name)).bind(*arguments, **options).arguments)
        return getattr(refconv, name)(*arguments, **options)

    if name == operator.name:
        operator(a, record)
    else:
        (derivative,) = [derivative for derivative in operator.derivatives if derivative.name == name]
        derivative(a, record)
    return passed


def refusal(name, arguments):
    """The message with which a public function refuses these arguments."""
    function = getattr(refconv, name)
    with pytest.raises((TypeError, ValueError)) as caught:
        function(**arguments)
    return str(caught.value)


def arrays(arguments):
    return {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize(("operator", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
def test_an_array_of_no_float_type_is_refused_by_name(operator, name):
    arguments = arguments_of(operator, name)
    for bad in arrays(arguments):
        message = refusal(name, {**arguments, bad: arguments[bad] * 1j})
        assert re.match(rf"{bad} must ", message), message


@pytest.mark.parametrize(("operator", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
@pytest.mark.parametrize("reshaped", [lambda a: a[..., None, None, None], np.ravel], ids=["more", "one"])
def test_an_array_with_too_many_axes_or_too_few_is_refused_by_name(operator, name, reshaped):
    arguments = arguments_of(operator, name)
    for bad, array in arrays(arguments).items():
        if reshaped(array).shape == array.shape or (operator.family in ANY_SHAPE and len(arrays(arguments)) == 1):
            continue
        message = refusal(name, {**arguments, bad: reshaped(array)})
        assert re.search(rf"^{bad} must |the shape of {bad}\b|^labels must have shape", message), message


@pytest.mark.parametrize(("operator", "name"), IN_SPACE, ids=[name for _, name in IN_SPACE])
@pytest.mark.parametrize("reshaped", [lambda a: a[..., None], lambda a: a[0]], ids=["more", "less"])
def test_an_array_of_another_number_of_spatial_axes_is_refused_by_name(operator, name, reshaped):
    arguments = arguments_of(operator, name)
    for bad, array in arrays(arguments).items():
        if np.ndim(reshaped(array)) == 0:  # NumPy makes one element of it, which may fit
            continue
        message = refusal(name, {**arguments, bad: reshaped(array)})
        assert re.search(rf"^{bad} must |the shape of {bad}\b", message), message


@pytest.mark.parametrize(("operator", "name"), FUNCTIONS, ids=[name for _, name in FUNCTIONS])
def test_arrays_of_two_float_types_are_refused_by_both_names(operator, name):
    arguments = arguments_of(operator, name)
    converted = ("targets",)  # like labels, to the type of what they are compared with
    names = [array for array, value in arrays(arguments).items() if value.dtype == float and array not in converted]
    first, *others = names or [None]
    for other in others:
        if other == CONVERTED:
            continue
        message = refusal(name, {**arguments, other: arguments[other].astype(np.float32)})
        assert re.search(rf"\b{first}\b.* must have one float type, got .*float32 for {other}\b", message), message
