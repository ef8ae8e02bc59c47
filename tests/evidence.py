"""Assertions for the tests of every family.

Some come from the evidence of :mod:`refconv.verify`; the others state requirements that only the kernels have.

========================  =======================================================================================
numeric                   :func:`assert_is_derivative`: central differences of ⟨dy, f(x)⟩ in float64
adjoint                   :func:`assert_adjoint`: ⟨dy, f(x)⟩ = ⟨fᵀ(dy), x⟩ in fractions, without rounding
parity                    :func:`assert_parity`: all engines agree, for two kinds of garbage in new memory
rounding                  :func:`assert_same_sums`: the same products added in another order agree within the error bound
threads                   :func:`assert_same_bits_at_any_thread_count`
arguments                 :func:`assert_inputs_unchanged`, :func:`fenced`
========================  =======================================================================================
"""

import ctypes
import inspect
import mmap
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest

from refconv import _core
from refconv._config import AVAILABLE_ENGINES, config
from refconv.verify.evidence.adjoint import assert_adjoint, inner
from refconv.verify.evidence.numeric import assert_is_derivative, numeric_derivative
from refconv.verify.evidence.parity import GARBAGE, assert_parity, assert_within, garbage, rounding, several

__all__ = [
    "ENGINES",
    "all_engines",
    "assert_adjoint",
    "assert_inputs_unchanged",
    "assert_is_derivative",
    "assert_parity",
    "assert_same_bits",
    "assert_same_bits_at_any_thread_count",
    "assert_same_sums",
    "assert_within",
    "assert_writes_every_cell",
    "engines",
    "fenced",
    "fft_rounding",
    "fractions",
    "garbage",
    "in_order",
    "inner",
    "needs_kernels",
    "numeric_derivative",
    "rounding",
    "threads",
]

NO_KERNELS = "refconv was built without kernels (REFCONV_PURE=1)"
needs_kernels = pytest.mark.skipif(_core.ISA is None, reason=NO_KERNELS)
ENGINES = [pytest.param("kernels", marks=needs_kernels), "numpy", "reference"]  # for tests with the engine as an argument
engines = pytest.mark.usefixtures("each_engine")  # run a test on each engine, first on the loops


def fractions(shape, seed=0):
    """Return an object array of random fractions, with which the loops compute exactly."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    pairs = zip(rng.integers(-9, 10, size).tolist(), rng.integers(1, 8, size).tolist(), strict=True)
    array = np.empty(size, object)
    array[:] = [Fraction(p, q) for p, q in pairs]
    return array.reshape(shape)


def all_engines(call):
    """Return the results of a call of public operators on each engine, first on the loops."""
    results = []
    for engine in reversed(AVAILABLE_ENGINES):
        with config(engine=engine):
            results.append(call())
    return results


def in_order(function, **options):
    """Return a version of the function that accepts its required parameters by position.

    It serves code that calls any function with several arrays: derivatives accept only ∂e/∂y by position, and all other
    arrays by keyword only.
    """
    names = [name for name, p in inspect.signature(function).parameters.items() if p.default is p.empty]
    return lambda *arrays, **more: function(**dict(zip(names, arrays, strict=False)), **options, **more)


def assert_same_sums(actual, call, *arrays, terms):
    """Assert that ``actual`` equals ``call(*arrays)`` up to the rounding of sums.

    Each sum has ``terms`` products. ``call`` adds the same products in another order, for instance ``lambda x, w: x @ w``.
    The order depends on the BLAS kernel and on the instruction set. ``call`` must be linear in each array. If it is called
    with absolute values, it then returns the sums of the absolute values of the products, from which
    :func:`refconv.verify.evidence.parity.rounding` computes the bound. A relative tolerance
    would fail if a sum cancels. If there are several results, ``actual`` and the result of ``call`` are tuples.
    """
    allowed = rounding(call, *arrays, terms=terms)
    for array, expected, within in zip(several(actual), several(call(*arrays)), allowed, strict=True):
        assert_within(np.asarray(array), np.asarray(expected), within, who=("the test found", "but expected"))


def fft_rounding(*arrays, size=None):
    """Bound the rounding error of a product of Fourier transforms, or of its inverse transform.

    The arrays are the factors before the transform. ``size`` is the number of elements of the transforms; the default is the
    size of the full convolution of the arrays. No |X_k| exceeds Σ|x|, and the error of a sum of n terms is at most n·ε times
    the sum of their magnitudes. Three sums of at most n terms and a few roundings, computed in two ways, stay below
    4 (n + 4)·ε·Σ|x|·Σ|w|.
    """
    n = size or np.prod(np.sum([a.shape for a in arrays], axis=0) - len(arrays) + 1)
    return 4 * (n + 4) * np.finfo(arrays[0].dtype).eps * float(np.prod([np.abs(a).sum() for a in arrays]))


def assert_writes_every_cell(call):
    """Assert that the result does not depend on the old content of newly allocated memory."""
    results = []
    for byte in GARBAGE:
        with garbage(byte):
            results.append(call())
    assert_same_bits(*results)


@contextmanager
def threads(n):
    """Run the kernels on n threads inside the block."""
    with config(threads=n):
        yield


def assert_same_bits(actual, expected):
    """Assert that two arrays, or two tuples of arrays, agree in dtype, shape and every bit."""
    for a, b in zip(several(actual), several(expected), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes(), f"{np.count_nonzero(a != b)} of {b.size} elements differ"


def assert_same_bits_at_any_thread_count(call):
    """Assert that the call returns the same bits on 1, 2, 3 and 8 threads."""
    with threads(1):
        expected = call()
    for n in (2, 3, 8):
        with threads(n):
            assert_same_bits(call(), expected)


def assert_inputs_unchanged(call, *arrays):
    """Assert that ``call(*arrays)`` neither changes its arrays nor returns views of them."""
    before = [a.tobytes() for a in arrays]
    results = several(call(*arrays))
    for position, (a, bits) in enumerate(zip(arrays, before, strict=True)):
        assert a.tobytes() == bits, f"argument {position} was changed"
        for result in results:
            assert not np.shares_memory(np.asarray(result), a), f"the result shares memory with argument {position}"


def fenced(array, side="end"):
    """Return a copy of an array next to a protected page.

    Reading one byte too far stops the process. ``side`` is "end" (the protected page follows the last element) or "start"
    (it precedes the first element).
    """
    page = mmap.PAGESIZE
    pages = -(-array.nbytes // page)
    memory = mmap.mmap(-1, (pages + 1) * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protected, first = (address + pages * page, pages * page - array.nbytes) if side == "end" else (address, page)
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(protected), ctypes.c_size_t(page), 0):
        raise OSError(ctypes.get_errno(), "mprotect failed")
    copy = np.frombuffer(memory, array.dtype, array.size, first).reshape(array.shape)
    copy[...] = array
    return copy
