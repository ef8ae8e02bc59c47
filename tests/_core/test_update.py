"""Tests of the update kernels of the optimisers against the loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import all_engines, assert_same_bits, assert_same_bits_at_any_thread_count, fenced, needs_kernels
from refconv._core import kernels
from refconv.ops.dispatch import implementation
from strategies import dtypes, seeds, small_floats

pytestmark = needs_kernels

shapes = st.lists(st.integers(0, 7), min_size=1, max_size=4).map(tuple)

# name: (names of the arrays that change, constants)
UPDATES = {
    "sgd": (("theta", "v"), dict(lr=0.3, momentum=0.9, decay=0.01, nesterov=False)),
    "nesterov": (("theta", "v"), dict(lr=0.3, momentum=0.9, decay=0.01, nesterov=True)),
    "rmsprop": (("theta", "s", "v"), dict(lr=0.3, rho=0.8, momentum=0.9, eps=1.0, eps_inside_sqrt=True, decay=0.01)),
    "rmsprop_outside": (("theta", "s", "v"), dict(lr=0.3, rho=0.8, momentum=0.9, eps=0.5, eps_inside_sqrt=False, decay=0.01)),
    "adam": (("theta", "m", "s"), dict(lr=0.3, beta1=0.7, beta2=0.9, eps=0.01, t=3, decay=0.01)),
}


def arrays(name, shape, seed, dtype):
    changed_names, _ = UPDATES[name]
    drawn = [small_floats(shape, seed + k, dtype) for k in range(len(changed_names) + 1)]
    return [np.abs(a) if letter == "s" else a for letter, a in zip((*changed_names, "g"), drawn, strict=True)]


def run(engine, name, given):
    """Run the update on copies and return all of them, including the gradient."""
    function = {"nesterov": "sgd", "rmsprop_outside": "rmsprop"}.get(name, name)
    copies = [a.copy() for a in given]
    getattr(engine, function)(*copies, **UPDATES[name][1])
    return copies


@pytest.mark.parametrize("name", UPDATES)
@given(shape=shapes, seed=seeds, dtype=dtypes)
def test_all_engines_agree_with_the_loops_for_any_shape(name, shape, seed, dtype):
    given = arrays(name, shape, seed, dtype)
    tolerance = 50 * np.finfo(dtype).eps
    expected_arrays, *others = all_engines(lambda: run(implementation("update"), name, given))
    for expected, *actual_arrays in zip(expected_arrays, *others, strict=True):
        for actual in actual_arrays:
            assert actual.dtype == expected.dtype == dtype
            np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("size", [4095, 4097, 300_001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_blocks_have_the_same_bits_at_any_thread_count(name, size, dtype):
    given = arrays(name, (size,), 1, dtype)
    assert_same_bits_at_any_thread_count(lambda: run(kernels.update, name, given))
    half = run(kernels.update, name, [a[size // 2 :] for a in given])
    actual = run(kernels.update, name, given)
    np.testing.assert_allclose(actual[0][size // 2 :], half[0], rtol=1e-6)
    assert_same_bits(actual[-1], given[-1])


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_outside_the_arrays_is_accessed(side, dtype):
    for name in UPDATES:
        given = arrays(name, (5, 33), 1, dtype)
        copies = [fenced(a, side) for a in given]
        getattr(kernels.update, {"nesterov": "sgd", "rmsprop_outside": "rmsprop"}.get(name, name))(*copies, **UPDATES[name][1])
        assert_same_bits(copies, run(kernels.update, name, given))
    g = small_floats((5, 33), 1, dtype)
    assert kernels.update.sum_of_squares(fenced(g, side)) == kernels.update.sum_of_squares(g)


@given(shapes, seeds, dtypes)
def test_sum_of_squares_agrees_with_numpy(shape, seed, dtype):
    g = small_floats(shape, seed, dtype)
    assert kernels.update.sum_of_squares(g) == pytest.approx(float(np.sum(g.astype(np.float64) ** 2)), rel=1e-12)


def test_sum_of_squares_of_many_elements_is_accurate_at_any_thread_count():
    g = small_floats((300_001,), 1, np.float32)
    assert kernels.update.sum_of_squares(g) == pytest.approx(np.sum(g.astype(np.float64) ** 2), rel=1e-12)
    assert_same_bits_at_any_thread_count(lambda: kernels.update.sum_of_squares(g))


def test_arrays_of_other_dtypes_are_rejected():
    with pytest.raises(ValueError, match="Buffer dtype mismatch"):
        kernels.update.sum_of_squares(np.ones(3, np.int32))
