"""What there is to prove about one operator: how it is called, what its derivatives claim, and where to try it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

import refconv
from refconv.verify.case import Arguments, Case

__all__ = ["Derivative", "Operator", "Pin", "Refuted"]


class Refuted(AssertionError):  # noqa: N818 a verdict, as in logic
    """A claim about an operator that turned out to be false; the message says where."""


@dataclass(frozen=True)
class Derivative:
    """One function that claims to be ∂⟨dy, f⟩/∂a, for one array a of the operator or for several.

    Parameters
    ----------
    name : str
        The public function, such as "conv2d_dx".
    wrt : tuple of str
        The arrays whose derivatives it returns, in its order.
    call : callable
        ``call(function, a)`` calls it with the arguments a, of which ``a.dy`` is ∂e/∂y.
    """

    name: str
    wrt: tuple[str, ...]
    call: Callable[[Callable, Arguments], object]

    def __call__(self, a: Arguments, function=None) -> dict[str, np.ndarray]:
        """The derivatives by the names of their arrays; :class:`Refuted` if one has not the shape of its array."""
        result = self.call(function or getattr(refconv, self.name), a)
        found = dict(zip(self.wrt, result if isinstance(result, tuple) else (result,), strict=True))
        for name, derivative in found.items():
            if np.shape(derivative) != a.arrays[name].shape:
                raise Refuted(f"{self.name} has shape {np.shape(derivative)}, and {name} has {a.arrays[name].shape}")
        return found


@dataclass(frozen=True)
class Pin:
    """A point on a kink, where the derivative is a matter of convention, and the convention.

    ``arrays`` holds the operator's arrays and dy; ``expected`` the derivatives there, by the names of their arrays;
    ``options`` and ``given`` are those of a case.
    """

    words: str
    arrays: Mapping[str, object]
    expected: Mapping[str, object]
    options: Mapping[str, object] = field(default_factory=dict)
    given: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator of the book, with its derivatives.

    Parameters
    ----------
    name : str
        The public function, such as "conv2d".
    family : str
        Where it lives: ``reference/FAMILY.py``, ``_core/FAMILY.pyx``, ``ops/FAMILY.py``.
    ids : str
        The statements of the lectures that it and its derivatives are, as in ``Source:``.
    formula : str
        The statement in one line.
    forward : callable
        ``forward(function, a)`` calls it with the arguments a and returns its value y.
    derivatives : tuple of Derivative
    fixed : tuple of Case
        A few small cases that together use every option: for the evidence that is exact but slow.
    cases : callable
        Returns the hypothesis strategy that draws cases.
    nature : str
        "linear": linear in each of its arrays (a bias may be added). "rational": made with + − × ÷ and comparisons only.
        "smooth": with roots or exponentials.
    slack : float
        How many units of rounding loops and kernels of an operator that is not linear may lie apart.
    pins : tuple of Pin
        Its kinks.
    matrix : callable or None
        ``matrix(a)`` returns T with ``T @ x.ravel() == f(x).ravel()``, where there is a function that makes it.
    without : tuple of str
        Kinds of evidence that cannot be had for this operator; the catalogue says why beside it.
    refused_cases : callable or None
        Returns the hypothesis strategy that draws cases that the operator must refuse.
    further : mapping of str to callable
        Further results that oracles compare, such as the positions of maxima: ``further[name](a)`` returns one.
    """

    name: str
    family: str
    ids: str
    formula: str
    forward: Callable[[Callable, Arguments], object]
    derivatives: tuple[Derivative, ...]
    fixed: tuple[Case, ...]
    cases: Callable[[], object]
    nature: str = "linear"
    slack: float = 64.0
    pins: tuple[Pin, ...] = ()
    matrix: Callable[[Arguments], np.ndarray] | None = None
    without: tuple[str, ...] = ()
    refused_cases: Callable[[], object] | None = None
    further: Mapping[str, Callable[[Arguments], np.ndarray]] = field(default_factory=dict)

    def __call__(self, a: Arguments, function=None):
        """The value y."""
        return self.forward(function or getattr(refconv, self.name), a)

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the public functions that this entry is about, each once."""
        return tuple(dict.fromkeys([self.name, *(derivative.name for derivative in self.derivatives)]))
