"""Tests of errors about arguments: one base class, and built-in types that users can catch."""

import copy
import pickle

import numpy as np
import pytest

import refconv
from refconv import nn, optim

REFUSED = [
    (lambda: refconv.conv2d(np.ones((2, 5)), np.ones((2, 3, 1, 4))), ValueError, "x must have 4 axes"),
    (lambda: refconv.conv2d(None, np.ones((2, 3, 1, 4))), TypeError, "x must be an array, got None"),
    (lambda: refconv.Window((2, 3), stride=0), ValueError, "stride must be at least 1, got 0"),
    (lambda: refconv.Window((2, 3), dilation=1.5), TypeError, "dilation must be an integer, got 1.5"),
    (lambda: nn.Conv2D(0, 3), ValueError, "filters must be at least 1, got 0"),
    (lambda: optim.clip_by_global_norm([], 1), TypeError, "model must be"),
]


@pytest.mark.parametrize(("call", "builtin", "message"), REFUSED)
def test_a_refused_argument_raises_an_argument_error_of_a_builtin_type(call, builtin, message):
    with pytest.raises(refconv.ArgumentError, match=message) as caught:
        call()
    assert isinstance(caught.value, builtin)


@pytest.mark.parametrize("kind", [refconv.ArgumentError, refconv.ArgumentValueError, refconv.ArgumentTypeError])
def test_errors_are_printed_by_their_public_name_and_survive_pickling(kind):
    assert (kind.__module__, getattr(refconv, kind.__name__)) == ("refconv", kind)
    for again in (pickle.loads(pickle.dumps(kind("k must be 2, got 3"))), copy.copy(kind("k must be 2, got 3"))):
        assert (type(again), str(again)) == (kind, "k must be 2, got 3")
