"""Settings of all computations: engine, number of threads, precision and fusion.

The settings of a computation are the defaults of the process, which :func:`set_config` changes, overridden by the arguments of
the ``with config(…):`` blocks around the computation. The blocks are stored in a context variable, so the blocks of one thread
or asyncio task do not affect another.

The module has a private name because importing a submodule ``refconv.config`` would replace the class ``refconv.config``.
"""

from __future__ import annotations

import os
import threading
import warnings
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, NamedTuple

from refconv import _core
from refconv._arguments import choice, flag, integer
from refconv._core.machine.processors import MOST_THREADS, default_threads

__all__ = ["Settings", "activate", "config", "get_config", "keep_freed_memory", "set_config"]

Engine = Literal["kernels", "numpy", "reference"]
Precision = Literal["standard", "fast"]

ENGINES: tuple[Engine, ...] = ("kernels", "numpy", "reference")  # fastest first
AVAILABLE_ENGINES = ENGINES if _core.ISA else ENGINES[1:]
TILE_SIDES = {"standard": 2, "fast": 4}  # side of an output tile of Winograd's algorithm in pixels, for each precision


class Settings(NamedTuple):
    """Settings of a computation, returned by :func:`refconv.get_config`.

    Attributes
    ----------
    engine : str
        "kernels", "numpy", or "reference" for the loops.
    threads : int
        Largest number of threads that a kernel uses.
    precision : str
        "standard" or "fast".
    fusion : bool
        True if consecutive layers may be computed together. Only kernels do this.
    """

    engine: Engine
    threads: int
    precision: Precision
    fusion: bool


class config:  # noqa: N801  used like a function, as numpy.errstate
    """Context manager that sets engine, threads, precision and fusion in a ``with`` block.

    The block applies to the current thread or asyncio task, and to the threads that refconv itself starts in it, such as the
    thread of :class:`refconv.data.Prefetch`. A thread that your program starts has the defaults of the process
    (:func:`set_config`), unless ``contextvars.copy_context().run`` runs its target, or threads inherit the context
    (``sys.flags.thread_inherit_context``, Python 3.14 or later). Blocks can be nested. Each block changes only the settings
    that are its arguments.

    Parameters
    ----------
    engine : str, optional
        "kernels", the default if they were built; "numpy", the default otherwise; or "reference", the loops. The loops define
        every operator and can run all computations, even a complete training step, but they are thousands of times slower.
        "numpy" computes with NumPy's array operations and matrix products. It needs no compiler and is between the two.
    threads : int, optional
        Largest number of threads of a kernel, from 1 to 1024. Outputs are bit-identical for any number of threads. The
        default is ``OMP_NUM_THREADS``. Without it, the default is the number of processors available to this process: the
        size of its CPU affinity mask, or the CPU quota of its container if that is smaller.

        The engine "numpy" ignores this setting. The matrix products of NumPy use the threads of its BLAS library, whose
        number is set before NumPy is imported, for instance by ``OPENBLAS_NUM_THREADS``. The last bits of their results may
        depend on it.

        A forked child starts with one thread, since it is usually one of several workers. It may set another number on Linux
        with kernels compiled by GCC, and in builds without OpenMP. Elsewhere threads do not survive a fork, and the child
        must keep one thread.
    precision : str, optional
        Trade accuracy for speed in 3×3 convolutions with many channels and stride 1. "standard", the default, is as accurate
        as the plain sum. "fast" needs a quarter of the products of the plain sum. Its rounding errors are about twice as large
        as in one running sum, in float32 a few millionths of the largest output. It affects neither ∂e/∂w nor other operators.
        :func:`refconv.compile_model` has its own argument, whose default is "fast".

        With "standard" the kernels add long sums in blocks: the error of a sum of n products is at most about
        (min(n, 1024) + n / 2¹⁷)·u·Σ|products|, where u is 2⁻²⁴ in float32 and 2⁻⁵³ in float64. The loops of
        ``refconv.reference`` use one running sum, whose error is at most n·u·Σ|products|.
    fusion : bool, optional
        Compute consecutive layers of a ``Sequential`` together if there is a kernel for them; the default is True. A
        convolution, its ReLU and its pooling then need one pass over the data instead of three. ``refconv.nn.fusion`` lists
        the layers. Outputs are the same; terms of derivatives may be added in another order.

    Raises
    ------
    TypeError, ValueError
        If an argument has a wrong type or value.
    RuntimeError
        If the kernels were not built, or a forked child can have only one thread.

    Warns
    -----
    RuntimeWarning
        If the object is not used in a ``with`` statement and therefore changes nothing.

    Examples
    --------
    >>> import refconv
    >>> with refconv.config(engine="reference", threads=2):
    ...     refconv.cross_correlate1d([1, 2, 3, 4, 5, 6], [1, 2, 3], "valid"), refconv.get_config().threads
    (array([14., 20., 26., 32.]), 2)
    """

    _token: Token[_Block | None] | None = None
    _entered = True  # so that __del__ does not warn about an instance whose arguments were not accepted

    def __init__(
        self,
        *,
        engine: Engine | None = None,
        threads: int | None = None,
        precision: Precision | None = None,
        fusion: bool | None = None,
    ) -> None:
        self._settings = _checked(engine, threads, precision, fusion)
        self._entered = False

    def __enter__(self) -> Settings:
        if self._entered:
            raise RuntimeError("config must be entered once: call refconv.config(…) for each with statement")
        self._entered = True
        self._token = _block.set(_Block(_block.get(), self._settings))
        return activate()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._token is not None  # __enter__ has set it
        _block.reset(self._token)
        activate()

    def __del__(self) -> None:
        if not self._entered:
            given = ", ".join(f"{name}={value!r}" for name, value in self._settings.items())
            message = f"refconv.config({given}) changed nothing: use it in a with statement, or refconv.set_config({given})"
            warnings.warn(message, RuntimeWarning, stacklevel=2)


def set_config(
    *,
    engine: Engine | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
    fusion: bool | None = None,
) -> None:
    """Change the defaults of this process, in all of its threads.

    Inside a ``with config(…):`` block, the settings of the block take precedence until it ends.

    Parameters
    ----------
    engine, threads, precision, fusion : optional
        As in :class:`config`. Settings that are not given do not change.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As :class:`config`. In this case no setting changes.

    Examples
    --------
    >>> import refconv
    >>> before = refconv.get_config()
    >>> refconv.set_config(threads=2, fusion=False)
    >>> refconv.get_config().threads, refconv.get_config().fusion
    (2, False)
    >>> refconv.set_config(**before._asdict())
    """
    global _default
    changed = _checked(engine, threads, precision, fusion)
    with _default_lock:
        _default = _default._replace(**changed)
    activate()


def get_config() -> Settings:
    """Return the current settings: the defaults, overridden by the ``with config(…):`` blocks.

    >>> import refconv
    >>> with refconv.config(engine="reference", threads=3):
    ...     refconv.get_config()
    Settings(engine='reference', threads=3, precision='standard', fusion=True)
    """
    block = _block.get()
    return _default if block is None else block.settings()


def keep_freed_memory() -> bool:
    """Make this process keep up to two gigabytes of freed memory, and return True if it works.

    By default, the allocator returns large freed blocks to the system at once. But training allocates the same arrays in every
    step, and the first access to a new page is slow. The command line and the benchmarks call this function, and your program
    may call it. It changes the allocator of the C library for the whole process and cannot be undone. It works with glibc
    only. Freed memory at lower addresses than memory still in use is also kept, whatever its size.
    """
    return _core.keep_freed_memory()


def activate() -> Settings:
    """Pass the current settings to the kernels that this thread calls, and return them."""
    block = _block.get()
    settings = _default if block is None else block.settings()
    if settings is not _thread.active:
        _core.use_settings(settings.threads, TILE_SIDES[settings.precision])
        _thread.active = settings
    return settings


class _Block:
    """Settings of a ``with config(…):`` block, including the settings of enclosing blocks."""

    __slots__ = ("_forks", "_given", "_resolved")

    def __init__(self, outer: _Block | None, given: dict[str, Any]) -> None:
        self._given = given if outer is None else {**outer.given(), **given}
        self._forks = _forks
        # The defaults and the settings derived from them are one attribute, because several threads may share a block.
        self._resolved = _default, _default._replace(**self._given)

    def settings(self) -> Settings:
        default, settings = self._resolved
        if default is not _default:  # set_config was called inside the block
            default = _default
            settings = default._replace(**self.given())
            self._resolved = default, settings
        return settings

    def given(self) -> dict[str, Any]:
        """Return the given settings; in a forked child without ``threads``, meant for the parent."""
        if self._forks != _forks:
            self._given = {name: value for name, value in self._given.items() if name != "threads"}
            self._forks = _forks
        return self._given


class _Thread(threading.local):
    """Settings last passed to the kernels by each thread; None if a thread has called no kernel."""

    active: Settings | None = None


def _checked(engine: str | None, threads: int | None, precision: str | None, fusion: bool | None) -> dict[str, Any]:
    """Check the settings that are not None, and return them in a dict."""
    given: dict[str, Any] = {}
    if engine is not None:
        given["engine"] = choice("engine", engine, ENGINES)
        if engine not in AVAILABLE_ENGINES:
            others = "'numpy' or 'reference'"
            raise RuntimeError(f"engine must be {others} in a build without kernels (REFCONV_PURE=1), got {engine!r}")
    if threads is not None:
        given["threads"] = threads = integer("threads", threads, most=MOST_THREADS)
        if threads > 1 and _forks and not _core.threads_survive_fork():
            raise RuntimeError(
                f"threads must be 1 in a forked child, got {threads}: threads of this OpenMP do not survive a fork. "
                "Start the process with multiprocessing's method 'spawn' instead."
            )
    if precision is not None:
        given["precision"] = choice("precision", precision, TILE_SIDES)
    if fusion is not None:
        given["fusion"] = flag("fusion", fusion)
    return given


def _after_fork_in_child() -> None:
    """Set the number of threads of a forked child to one, even inside a block."""
    global _default, _default_lock, _forks
    _forks += 1
    _default_lock = threading.Lock()  # another thread of the parent may have held it
    _default = _default._replace(threads=1)
    activate()


_threads, THREADS_REASON = default_threads(_core.available_threads())
_forks = 0  # number of forks between the process that was started and this one
_default = Settings(AVAILABLE_ENGINES[0], _threads, "standard", True)
_default_lock = threading.Lock()
_block: ContextVar[_Block | None] = ContextVar("refconv.config", default=None)
_thread = _Thread()

activate()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
