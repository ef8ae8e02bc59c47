"""Tests that a derivative has the default arguments of its operator."""

import inspect

import pytest

import refconv
from refconv.verify.catalogue import OPERATORS

PAIRS = [(operator.name, derivative.name) for operator in OPERATORS.values() for derivative in operator.derivatives]


def defaults(name):
    parameters = inspect.signature(getattr(refconv, name)).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


@pytest.mark.parametrize(("operator", "derivative"), PAIRS)
def test_a_derivative_has_its_operators_defaults(operator, derivative):
    own, theirs = defaults(operator), defaults(derivative)
    for option in own.keys() & theirs.keys():
        assert theirs[option] == own[option], option


def test_batch_norm_has_the_same_eps_in_training_and_inference():
    assert defaults("batch_norm")["eps"] == defaults("batch_norm_inference")["eps"]
