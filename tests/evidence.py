"""The kinds of evidence that an operator is right, as plain functions which every family's tests use.

========================  =======================================================================================
numeric                   :func:`assert_is_derivative`: central differences of ⟨dy, f(x)⟩ in float64
adjoint                   :func:`assert_adjoint`: ⟨dy, f(x)⟩ = ⟨fᵀ(dy), x⟩ in fractions, without any rounding
parity                    :func:`assert_parity`: loops and kernels, the kernels' memory filled with garbage twice
threads                   :func:`assert_same_bits_at_any_thread_count`
arguments                 :func:`assert_inputs_unchanged`, :func:`fenced`
========================  =======================================================================================
"""

import ctypes
import mmap
from contextlib import contextmanager
from fractions import Fraction
from unittest import mock

import numpy as np
import pytest

from refconv import _core
from refconv.ops.engine import engine, get_num_threads, set_num_threads

__all__ = [
    "assert_adjoint",
    "assert_inputs_unchanged",
    "assert_is_derivative",
    "assert_parity",
    "assert_same_bits",
    "assert_same_bits_at_any_thread_count",
    "assert_writes_every_cell",
    "both_engines",
    "fenced",
    "fractions",
    "garbage",
    "inner",
    "needs_kernels",
    "numeric_derivative",
    "rounding",
    "threads",
]

NO_KERNELS = "refconv was built without kernels (REFCONV_PURE=1)"
needs_kernels = pytest.mark.skipif(_core.ISA is None, reason=NO_KERNELS)

GARBAGE = (0xFF, 0x7E)  # as float32 and float64: NaN, and 8e37 or 1e301; as integers: −1, and a huge one


def inner(a, b):
    """⟨a, b⟩: the sum of the products of two arrays of one shape."""
    assert a.shape == b.shape, f"shapes {a.shape} and {b.shape} differ"
    return sum(p * q for p, q in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))


def fractions(shape, seed=0):
    """An object array of random fractions: what the loops compute with them is exact."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    pairs = zip(rng.integers(-9, 10, size).tolist(), rng.integers(1, 8, size).tolist(), strict=True)
    array = np.empty(size, object)
    array[:] = [Fraction(p, q) for p, q in pairs]
    return array.reshape(shape)


def assert_adjoint(forward, transposed, x, dy):
    """⟨dy, forward(x)⟩ = ⟨transposed(dy), x⟩, exactly; x and dy hold fractions, forward is linear."""
    y, dx = forward(x), transposed(dy)
    assert y.shape == dy.shape, f"forward gives shape {y.shape}, and dy has {dy.shape}"
    assert dx.shape == x.shape, f"transposed gives shape {dx.shape}, and x has {x.shape}"
    there, back = inner(dy, y), inner(dx, x)
    assert isinstance(there, Fraction), f"⟨dy, f(x)⟩ is {there!r}: something rounded"
    assert isinstance(back, Fraction), f"⟨fᵀ(dy), x⟩ is {back!r}: something rounded"
    assert there == back, f"⟨dy, f(x)⟩ = {there}, but ⟨fᵀ(dy), x⟩ = {back}"


def numeric_derivative(f, x, dy):
    """∂⟨dy, f(x)⟩/∂x by central differences, one element at a time, in float64.

    The step is ∛ε·max(1, |x|), where truncation and rounding weigh the same; f must be smooth within it.
    """
    x, dx = np.array(x, np.float64), np.zeros(np.shape(x))
    for index in np.ndindex(x.shape):
        here = x[index]
        step = np.finfo(np.float64).eps ** (1 / 3) * max(1.0, abs(here))
        above, below = here + step, here - step
        x[index] = above
        more = f(x.copy())
        x[index] = below
        less = f(x.copy())
        x[index] = here
        dx[index] = np.sum(dy * (more - less)) / (above - below)
    return dx


def assert_is_derivative(dx, f, x, dy):
    """dx is ∂⟨dy, f(x)⟩/∂x; the tolerance is what a central difference can tell, with a hundredfold margin."""
    expected = numeric_derivative(f, x, dy)
    noise = np.finfo(np.float64).eps ** (2 / 3) * (1 + np.sum(np.abs(dy * f(np.array(x, np.float64)))))
    assert dx.shape == expected.shape, f"the derivative has shape {dx.shape}, and x has {expected.shape}"
    np.testing.assert_allclose(dx, expected, rtol=1e-7, atol=100 * noise)


def both_engines(call):
    """What a call of public operators gives on the loops, and on the kernels."""
    _skip_without_kernels()
    with engine("reference"):
        expected = call()
    with engine("kernels"):
        return expected, call()


def rounding(call, *arrays, terms):
    """How far two ways to add the same products may lie apart, for a call that is linear in each of its arrays.

    A sum of n products, in any order and with or without fused steps, is off by at most n·ε·Σ|products|; there are two.
    The sums of magnitudes come from the loops, with the magnitudes of the arrays.
    """
    eps = max(np.finfo(a.dtype).eps for a in arrays)
    with engine("reference"):
        magnitudes = call(*[np.abs(a) for a in arrays])
    return 2 * (terms + 2) * eps * np.asarray(magnitudes)


def assert_parity(call, *arrays, tolerance=0.0, rtol=0.0):
    """``call(*arrays)`` gives the same on loops and kernels: shapes, types, and values within the tolerance.

    The tolerance is absolute, a number or an array such as :func:`rounding` gives; rtol is relative to the loops'
    result. A call may return several arrays. The kernels run twice, and find different garbage in the memory they
    allocate.
    """
    _skip_without_kernels()
    with engine("reference"):
        expected = call(*arrays)
    for byte in GARBAGE:
        with garbage(byte), engine("kernels"):
            found = call(*arrays)
        for want, have in zip(_several(expected), _several(found), strict=True):
            _assert_close(have, want, tolerance, rtol)


def _assert_close(found, expected, tolerance, rtol):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype, f"kernels give {found.dtype}, loops {expected.dtype}"
    assert found.shape == expected.shape, f"kernels give shape {found.shape}, loops {expected.shape}"
    relative = rtol * np.abs(expected) if rtol else 0.0  # 0 · ∞ would be NaN
    allowed = np.broadcast_to(tolerance + relative, expected.shape)
    # An exact match first: ∞ − ∞ is not a number.
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        wrong = ~same & ~(np.abs(found - expected) <= allowed)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise AssertionError(
            f"{np.count_nonzero(wrong)} of {wrong.size} elements differ, the first at {at}: kernels {found[at]!r}, "
            f"loops {expected[at]!r}, allowed ±{allowed[at]:.3g}"
        )


@contextmanager
def garbage(byte):
    """Let numpy.empty and numpy.empty_like return memory in which each byte has this value: an untouched cell shows."""
    empty, empty_like = np.empty, np.empty_like

    def filled(array):
        if not array.dtype.hasobject and array.size:
            array.ravel(order="K").view(np.uint8)[...] = byte
        return array

    with (
        mock.patch.object(np, "empty", lambda *a, **k: filled(empty(*a, **k))),
        mock.patch.object(np, "empty_like", lambda *a, **k: filled(empty_like(*a, **k))),
    ):
        yield


def assert_writes_every_cell(call):
    """The result does not depend on what lay in the memory that the call allocates."""
    results = []
    for byte in GARBAGE:
        with garbage(byte):
            results.append(call())
    assert_same_bits(*results)


@contextmanager
def threads(n):
    """The kernels on n threads inside the block, and as before after it."""
    before = get_num_threads()
    set_num_threads(n)
    try:
        yield
    finally:
        set_num_threads(before)


def assert_same_bits(found, expected):
    """Two results, arrays or several of them, agree in type, shape and every bit."""
    for have, want in zip(_several(found), _several(expected), strict=True):
        have, want = np.asarray(have), np.asarray(want)
        assert (have.dtype, have.shape) == (want.dtype, want.shape)
        assert have.tobytes() == want.tobytes(), f"{np.count_nonzero(have != want)} of {want.size} elements differ"


def assert_same_bits_at_any_thread_count(call):
    """The call gives the same bits on 1, 2, 3 and 8 threads."""
    with threads(1):
        expected = call()
    for n in (2, 3, 8):
        with threads(n):
            assert_same_bits(call(), expected)


def assert_inputs_unchanged(call, *arrays):
    """``call(*arrays)`` leaves its arrays as they were, and returns none of their memory."""
    before = [a.tobytes() for a in arrays]
    results = _several(call(*arrays))
    for position, (a, bits) in enumerate(zip(arrays, before, strict=True)):
        assert a.tobytes() == bits, f"argument {position} was changed"
        for result in results:
            assert not np.shares_memory(np.asarray(result), a), f"the result shares memory with argument {position}"


def fenced(array, side="end"):
    """A copy of an array against a page that nobody may touch: reading one byte too far stops the process.

    ``side`` is "end", with the forbidden page behind the last element, or "start", with it before the first.
    """
    page = mmap.PAGESIZE
    pages = -(-array.nbytes // page)
    memory = mmap.mmap(-1, (pages + 1) * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    forbidden, first = (address + pages * page, pages * page - array.nbytes) if side == "end" else (address, page)
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(forbidden), ctypes.c_size_t(page), 0):
        raise OSError(ctypes.get_errno(), "mprotect failed")
    copy = np.frombuffer(memory, array.dtype, array.size, first).reshape(array.shape)
    copy[...] = array
    return copy


def _skip_without_kernels():
    if _core.ISA is None:
        pytest.skip(NO_KERNELS)


def _several(result):
    return result if isinstance(result, tuple) else (result,)
