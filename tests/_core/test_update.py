"""The kernels of the updates equal their loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import assert_same_bits, assert_same_bits_at_any_thread_count, fenced, needs_kernels
from refconv._core import kernels
from refconv.reference import update as loops
from strategies import dtypes, seeds, small_floats

pytestmark = needs_kernels

shapes = st.lists(st.integers(0, 7), min_size=1, max_size=4).map(tuple)

# name: the arrays that change, and the constants
UPDATES = {
    "sgd": (("theta", "v"), dict(lr=0.3, momentum=0.9, decay=0.01, nesterov=False)),
    "nesterov": (("theta", "v"), dict(lr=0.3, momentum=0.9, decay=0.01, nesterov=True)),
    "rmsprop": (("theta", "s", "v"), dict(lr=0.3, rho=0.8, momentum=0.9, eps=1.0, eps_inside_sqrt=True, decay=0.01)),
    "rmsprop_outside": (("theta", "s", "v"), dict(lr=0.3, rho=0.8, momentum=0.9, eps=0.5, eps_inside_sqrt=False, decay=0.01)),
    "adam": (("theta", "m", "s"), dict(lr=0.3, beta1=0.7, beta2=0.9, eps=0.01, t=3, decay=0.01)),
}


def arrays(name, shape, seed, dtype):
    changing, _ = UPDATES[name]
    made = [small_floats(shape, seed + k, dtype) for k in range(len(changing) + 1)]
    return [np.abs(a) if letter == "s" else a for letter, a in zip((*changing, "g"), made, strict=True)]


def run(engine, name, given):
    """The update on copies; returns them all, the gradient too."""
    function = {"nesterov": "sgd", "rmsprop_outside": "rmsprop"}.get(name, name)
    copies = [a.copy() for a in given]
    getattr(engine, function)(*copies, **UPDATES[name][1])
    return copies


@pytest.mark.parametrize("name", UPDATES)
@given(shape=shapes, seed=seeds, dtype=dtypes)
def test_any_shape(name, shape, seed, dtype):
    given = arrays(name, shape, seed, dtype)
    tolerance = 50 * np.finfo(dtype).eps
    for found, expected in zip(run(kernels.update, name, given), run(loops, name, given), strict=True):
        assert found.dtype == expected.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("size", [4095, 4097, 300_001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_blocks_on_any_number_of_threads(name, size, dtype):
    given = arrays(name, (size,), 1, dtype)
    assert_same_bits_at_any_thread_count(lambda: run(kernels.update, name, given))
    half = run(kernels.update, name, [a[size // 2 :] for a in given])
    found = run(kernels.update, name, given)
    np.testing.assert_allclose(found[0][size // 2 :], half[0], rtol=1e-6)
    assert_same_bits(found[-1], given[-1])


@pytest.mark.parametrize("side", ["start", "end"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_outside_of_the_arrays_is_touched(side, dtype):
    for name in UPDATES:
        given = arrays(name, (5, 33), 1, dtype)
        copies = [fenced(a, side) for a in given]
        getattr(kernels.update, {"nesterov": "sgd", "rmsprop_outside": "rmsprop"}.get(name, name))(*copies, **UPDATES[name][1])
        assert_same_bits(copies, run(kernels.update, name, given))
    g = small_floats((5, 33), 1, dtype)
    assert kernels.update.sum_of_squares(fenced(g, side)) == kernels.update.sum_of_squares(g)


@given(shapes, seeds, dtypes)
def test_sum_of_squares(shape, seed, dtype):
    g = small_floats(shape, seed, dtype)
    assert kernels.update.sum_of_squares(g) == pytest.approx(float(np.sum(g.astype(np.float64) ** 2)), rel=1e-12)


def test_the_sum_of_squares_of_many_is_exact_enough_and_the_same_on_any_number_of_threads():
    g = small_floats((300_001,), 1, np.float32)
    assert kernels.update.sum_of_squares(g) == pytest.approx(np.sum(g.astype(np.float64) ** 2), rel=1e-12)
    assert_same_bits_at_any_thread_count(lambda: kernels.update.sum_of_squares(g))


def test_arrays_of_other_types_are_refused():
    with pytest.raises(ValueError, match="Buffer dtype mismatch"):
        kernels.update.sum_of_squares(np.ones(3, np.int32))
