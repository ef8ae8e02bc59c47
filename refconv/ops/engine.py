"""Which implementation runs: the kernels of ``_core``, or the loops of ``reference``; and on how many threads."""

import os
from contextlib import contextmanager
from contextvars import ContextVar

from refconv import _core, reference
from refconv._arguments import choice, flag, integer
from refconv._core.machine.processors import MOST_THREADS, default_threads

__all__ = [
    "current_engine",
    "engine",
    "get_fusion",
    "get_num_threads",
    "get_precision",
    "implementation",
    "keep_freed_memory",
    "set_fusion",
    "set_num_threads",
    "set_precision",
]

_rooms = {"kernels": _core.kernels, "reference": reference}
_engine = ContextVar("engine", default="kernels" if _core.ISA else "reference")


@contextmanager
def engine(name):
    """Run everything inside the ``with`` block on one engine: ``"kernels"`` or ``"reference"``.

    The loops are thousands of times slower, and they are the definition: a whole training step may run on them. The choice
    holds in the thread that made it. A thread that is started inside of the block runs on the default engine, unless its
    target is run by ``contextvars.copy_context().run``, or Python hands contexts on (``sys.flags.thread_inherit_context``,
    3.14 or later).

    Parameters
    ----------
    name : str
        "kernels", the default where they were built, or "reference", the loops.

    Raises
    ------
    ValueError
        If there is no engine of this name.
    RuntimeError
        If the kernels are asked for and the package was built without them.

    Examples
    --------
    >>> import refconv
    >>> with refconv.engine("reference"):
    ...     refconv.cross_correlate1d([1, 2, 3, 4, 5, 6], [1, 2, 3], "valid")
    array([14., 20., 26., 32.])
    """
    choice("engine", name, ("kernels", "reference"))
    if name == "kernels" and not _core.ISA:
        raise RuntimeError("engine 'kernels' is not there: refconv was built with REFCONV_PURE=1, on its loops alone")
    token = _engine.set(name)
    try:
        yield
    finally:
        _engine.reset(token)


def current_engine() -> str:
    """The engine that runs now: "kernels" or "reference"."""
    return _engine.get()


def implementation(family: str):
    """The module of one family, such as "conv", in the engine that runs now."""
    return getattr(_rooms[_engine.get()], family)


_threads, THREADS_REASON = default_threads(_core.available_threads())
_forked = False


def set_num_threads(n: int) -> None:
    """Set the number of threads that kernels run on. Results are the same for any n, to the last bit.

    A forked child starts with one thread, since it is usually one of several workers. On Linux, with kernels compiled by
    GCC, and in builds without OpenMP it may set another number; elsewhere threads do not survive a fork, and the child must
    keep one.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        If n is not a whole number in this range.
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
    """Return the number of threads that kernels run on.

    The default is ``OMP_NUM_THREADS``, or else the number of processors available to this process: those of its CPU affinity,
    or the CPU quota of its container if that is smaller.
    """
    return _threads


_PRECISIONS = {"standard": 2, "fast": 4}  # side of the tiles in which Winograd's algorithm computes
_precision = "standard"


def set_precision(precision: str) -> None:
    """Trade accuracy for speed in 3×3 convolutions with many channels and stride 1.

    "standard", as at the start, is as accurate as the plain sum. "fast" needs a quarter of the plain sum's products, and its
    rounding errors are some ten times larger, in float32 about 1e-5 of the largest output. It changes neither ∂e/∂w nor any
    other operator.

    At "standard" the kernels add long sums in blocks: a sum of n products is off by at most about
    (min(n, 1024) + n / 2¹⁷)·u·Σ|products|, where u is 2⁻²⁴ in float32 and 2⁻⁵³ in float64. The loops of
    ``refconv.reference`` keep one running sum, which is off by at most n·u·Σ|products|.

    Parameters
    ----------
    precision : str
        "standard" or "fast".

    Raises
    ------
    ValueError
        If there is no such precision.
    """
    global _precision
    choice("precision", precision, _PRECISIONS)
    _core.set_tile_side(_PRECISIONS[precision])
    _precision = precision


def get_precision() -> str:
    """The precision of 3×3 convolutions: "standard" or "fast"; see :func:`set_precision`."""
    return _precision


_fusion = True


def set_fusion(fusion: bool) -> None:
    """Let layers that follow each other in a ``Sequential`` be computed together where there is a kernel for that, or not.

    A convolution, its ReLU and its pooling then make one pass instead of three; ``refconv.nn.fusion`` says which layers. At
    the start this is on. Values are the same; derivatives may add up in another order. The loops know no fusion.

    Parameters
    ----------
    fusion : bool
        Whether they may.

    Raises
    ------
    TypeError
        If it is neither True nor False.
    """
    global _fusion
    _fusion = flag("fusion", fusion)


def get_fusion() -> bool:
    """Whether layers are computed together now: :func:`set_fusion` allows it, and the kernels run."""
    return _fusion and _engine.get() == "kernels"


def keep_freed_memory() -> bool:
    """Let this process keep up to two gigabytes of freed memory instead of handing it back to the system at once.

    Training asks for the same arrays step after step, and a page that comes fresh from the system is slow at its first
    touch. :func:`refconv.training.fit` calls this; a loop of your own may. It changes the C library's allocator for the
    whole process, for good, and only where that library is glibc; returns whether it did. What lies below memory that is still
    in use stays as well, however much it is.
    """
    return _core.keep_freed_memory()


def _after_fork_in_child():
    global _forked
    _forked = True
    set_num_threads(1)


set_num_threads(_threads)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
