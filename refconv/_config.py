"""Settings of all computations: engine, number of threads, precision and fusion.

The module is private because the object ``refconv.config`` has its name: importing a submodule ``refconv.config`` would
replace that object.
"""

import os
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from refconv import _core
from refconv._arguments import choice, flag, integer
from refconv._core.machine.processors import MOST_THREADS, default_threads

__all__ = [
    "config",
    "current_engine",
    "engine",
    "get_fusion",
    "get_num_threads",
    "get_precision",
    "keep_freed_memory",
    "set_fusion",
    "set_num_threads",
    "set_precision",
]

ENGINES = ("kernels", "reference")

_engine = ContextVar("engine", default="kernels" if _core.ISA else "reference")


@contextmanager
def config(*, engine=None, threads=None, precision=None, fusion=None):
    """Set engine, threads, precision and fusion in a ``with`` block and restore them after it.

    The engine is that of the current thread, as with :func:`engine`. The other three are those of the whole process.

    Parameters
    ----------
    engine : str, optional
        "kernels" or "reference", as in :func:`engine`.
    threads : int, optional
        Number of threads of the kernels, as in :func:`set_num_threads`.
    precision : str, optional
        "standard" or "fast", as in :func:`set_precision`.
    fusion : bool, optional
        Whether layers may be computed together, as in :func:`set_fusion`.

    Raises
    ------
    TypeError, ValueError
        If an argument has another type or value. Then no setting changes.
    RuntimeError
        If the kernels were not built, or a forked child can have only one thread.

    Examples
    --------
    >>> import refconv
    >>> with refconv.config(engine="reference", threads=2):
    ...     refconv.current_engine(), refconv.get_num_threads()
    ('reference', 2)
    """
    with ExitStack() as stack:
        if engine is not None:
            stack.callback(_engine.reset, _set_engine(engine))
        if threads is not None:
            stack.callback(set_num_threads, _threads)
            set_num_threads(threads)
        if precision is not None:
            stack.callback(set_precision, _precision)
            set_precision(precision)
        if fusion is not None:
            stack.callback(set_fusion, _fusion)
            set_fusion(fusion)
        yield


@contextmanager
def engine(name):
    """Run everything inside the ``with`` block on one engine: ``"kernels"`` or ``"reference"``.

    The loops are thousands of times slower, and they are the definition. They run everything, even a whole training step.
    The engine is that of the current thread. A thread started inside the block runs on the default engine, unless its target
    is run by ``contextvars.copy_context().run``, or threads inherit the context (``sys.flags.thread_inherit_context``, Python
    3.14 or later).

    Parameters
    ----------
    name : str
        "kernels", the default if they were built, or "reference", the loops.

    Raises
    ------
    ValueError
        If there is no engine of this name.
    RuntimeError
        If name is "kernels" and the package was built without them.

    Examples
    --------
    >>> import refconv
    >>> with refconv.engine("reference"):
    ...     refconv.cross_correlate1d([1, 2, 3, 4, 5, 6], [1, 2, 3], "valid")
    array([14., 20., 26., 32.])
    """
    token = _set_engine(name)
    try:
        yield
    finally:
        _engine.reset(token)


def _set_engine(name):
    choice("engine", name, ENGINES)
    if name == "kernels" and not _core.ISA:
        raise RuntimeError("engine must be 'reference' in a build without kernels (REFCONV_PURE=1), got 'kernels'")
    return _engine.set(name)


def current_engine() -> str:
    """Return the current engine: "kernels" or "reference"."""
    return _engine.get()


_threads, THREADS_REASON = default_threads(_core.available_threads())
_forked = False


def set_num_threads(n: int) -> None:
    """Set the number of threads of the kernels. Results are the same for any n, to the last bit.

    A forked child starts with one thread, since it is usually one of several workers. It may set another number on Linux with
    kernels compiled by GCC, and in builds without OpenMP. Elsewhere threads do not survive a fork, and the child must keep
    one.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        If n is not an integer in this range.
    RuntimeError
        If n is above 1 in a forked child that can have only one thread.
    """
    global _threads
    n = integer("n", n, most=MOST_THREADS)
    if n > 1 and _forked and not _core.threads_survive_fork():
        raise RuntimeError(
            f"n must be 1 in a forked child, got {n}: threads of this OpenMP do not survive a fork. "
            "Start the process with multiprocessing's method 'spawn' instead."
        )
    _core.set_num_threads(n)
    _threads = n


def get_num_threads() -> int:
    """Return the number of threads of the kernels.

    The default is ``OMP_NUM_THREADS``. Without it, the default is the number of processors available to this process: those of
    its CPU affinity, or the CPU quota of its container if that is smaller.
    """
    return _threads


_PRECISIONS = {"standard": 2, "fast": 4}  # side of the tiles in which Winograd's algorithm computes
_precision = "standard"


def set_precision(precision: str) -> None:
    """Trade accuracy for speed in 3×3 convolutions with many channels and stride 1.

    "standard", the default, is as accurate as the plain sum. "fast" needs a quarter of the products of the plain sum, and its
    rounding errors are about ten times larger, in float32 about 1e-5 of the largest output. It changes neither ∂e/∂w nor any
    other operator.

    With "standard" the kernels add long sums in blocks: the error of a sum of n products is at most about
    (min(n, 1024) + n / 2¹⁷)·u·Σ|products|, where u is 2⁻²⁴ in float32 and 2⁻⁵³ in float64. The loops of
    ``refconv.reference`` keep one running sum, whose error is at most n·u·Σ|products|.

    Parameters
    ----------
    precision : str
        "standard" or "fast".

    Raises
    ------
    ValueError
        If precision is another value.
    """
    global _precision
    choice("precision", precision, _PRECISIONS)
    _core.set_tile_side(_PRECISIONS[precision])
    _precision = precision


def get_precision() -> str:
    """Return the precision of 3×3 convolutions, "standard" or "fast": see :func:`set_precision`."""
    return _precision


_fusion = True


def set_fusion(fusion: bool) -> None:
    """Compute consecutive layers of a ``Sequential`` together if there is a kernel for that, or separately.

    A convolution, its ReLU and its pooling then make one pass over the data instead of three; ``refconv.nn.fusion`` lists the
    layers. The default is True. Outputs are the same; terms of derivatives may be added in another order. The loops compute
    each layer separately.

    Parameters
    ----------
    fusion : bool
        Whether layers may be computed together.

    Raises
    ------
    TypeError
        If fusion is neither True nor False.
    """
    global _fusion
    _fusion = flag("fusion", fusion)


def get_fusion() -> bool:
    """Return True if layers are computed together: :func:`set_fusion` allows it, and the engine is the kernels."""
    return _fusion and _engine.get() == "kernels"


def keep_freed_memory() -> bool:
    """Let this process keep up to two gigabytes of freed memory instead of returning it to the system at once.

    Training allocates the same arrays in every step, and the first access to a fresh page is slow.
    :func:`refconv.training.fit` calls this function; your own training loop may call it. It changes the allocator of the C
    library for the whole process and cannot be undone. It works with glibc only, and returns True if it does. Freed memory
    below memory that is still in use is also kept, whatever its size.
    """
    return _core.keep_freed_memory()


def _after_fork_in_child():
    global _forked
    _forked = True
    set_num_threads(1)


set_num_threads(_threads)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
