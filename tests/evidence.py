"""What the tests of every family assert: the evidence of :mod:`refconv.verify`, and what only kernels owe.

========================  =======================================================================================
numeric                   :func:`assert_is_derivative`: central differences of ⟨dy, f(x)⟩ in float64
adjoint                   :func:`assert_adjoint`: ⟨dy, f(x)⟩ = ⟨fᵀ(dy), x⟩ in fractions, without any rounding
parity                    :func:`assert_parity`: loops and kernels, the kernels' memory filled with garbage twice
rounding                  :func:`assert_same_sums`: the same products added in another order, within the error bound
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
from refconv._config import config
from refconv.verify.evidence import parity
from refconv.verify.evidence.adjoint import assert_adjoint, inner
from refconv.verify.evidence.numeric import assert_is_derivative, numeric_derivative
from refconv.verify.evidence.parity import GARBAGE, assert_within, garbage, rounding, several

__all__ = [
    "assert_adjoint",
    "assert_inputs_unchanged",
    "assert_is_derivative",
    "assert_parity",
    "assert_same_bits",
    "assert_same_bits_at_any_thread_count",
    "assert_same_sums",
    "assert_within",
    "assert_writes_every_cell",
    "both_engines",
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
engines = pytest.mark.usefixtures("each_engine")  # run a test on the loops, and once more on the kernels


def fractions(shape, seed=0):
    """An object array of random fractions: what the loops compute with them is exact."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    pairs = zip(rng.integers(-9, 10, size).tolist(), rng.integers(1, 8, size).tolist(), strict=True)
    array = np.empty(size, object)
    array[:] = [Fraction(p, q) for p, q in pairs]
    return array.reshape(shape)


def both_engines(call):
    """What a call of public operators gives on the loops, and on the kernels."""
    _skip_without_kernels()
    with config(engine="reference"):
        expected = call()
    with config(engine="kernels"):
        return expected, call()


def assert_parity(call, *arrays, **near):
    """:func:`refconv.verify.evidence.parity.assert_parity`, where there are kernels."""
    _skip_without_kernels()
    parity.assert_parity(call, *arrays, **near)


def in_order(function, **options):
    """Return the function with its required parameters by position, for code that calls any function with several arrays.

    Derivatives accept all arrays but ∂e/∂y by keyword only.
    """
    names = [name for name, p in inspect.signature(function).parameters.items() if p.default is p.empty]
    return lambda *arrays, **more: function(**dict(zip(names, arrays, strict=False)), **options, **more)


def assert_same_sums(found, call, *arrays, terms):
    """Assert that results equal ``call(*arrays)`` up to the rounding of sums of ``terms`` products.

    ``call`` adds the same products in another order, for instance ``lambda x, w: x @ w``; which order depends on the BLAS
    kernel and on the instruction set. It must be linear in each array: called with magnitudes it returns the sums of
    magnitudes, from which :func:`refconv.verify.evidence.parity.rounding` computes the bound. A relative tolerance would fail
    where a sum cancels. Several results, and several results of ``call``, are tuples.
    """
    allowed = rounding(call, *arrays, terms=terms)
    for have, want, within in zip(several(found), several(call(*arrays)), allowed, strict=True):
        assert_within(np.asarray(have), np.asarray(want), within, who=("the test found", "but expected"))


def fft_rounding(*arrays, size=None):
    """Bound on the rounding error of the product of these arrays' Fourier transforms, or of its inverse transform.

    ``size`` is the number of elements of the transforms; by default that of the full convolution of the arrays. No |X_k|
    exceeds Σ|x|, and the error of a sum of n terms is at most n·ε times the sum of their magnitudes. Three sums of at most
    n terms and a few roundings, computed in two ways, stay below 4 (n + 4)·ε·Σ|x|·Σ|w|.
    """
    n = size or np.prod(np.sum([a.shape for a in arrays], axis=0) - len(arrays) + 1)
    return 4 * (n + 4) * np.finfo(arrays[0].dtype).eps * float(np.prod([np.abs(a).sum() for a in arrays]))


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
    with config(threads=n):
        yield


def assert_same_bits(found, expected):
    """Two results, arrays or several of them, agree in type, shape and every bit."""
    for have, want in zip(several(found), several(expected), strict=True):
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
    results = several(call(*arrays))
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
