"""Rows of the catalogue: an operator, its derivatives and their test cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np

import refconv
from refconv import reference
from refconv.typing import Array
from refconv.verify.case import Arguments, Case

__all__ = ["Derivative", "Operator", "Pin", "Refuted", "lookup"]


class Refuted(AssertionError):  # noqa: N818 a verdict, as in logic
    """Raised if a claim about an operator is false; ``case`` is the case in which it is false."""

    def __init__(self, message: str, case: Case | None = None) -> None:
        super().__init__(message)
        self.case = case


def lookup(name: str) -> Callable[..., Any]:
    """Return the public function or class of a dotted name in refconv, or else the loop.

    >>> lookup("conv2d") is refconv.conv2d, lookup("optim.SGD") is refconv.optim.SGD
    (True, True)
    >>> lookup("centred_correlation") is reference.conv.centred_correlation
    True
    """
    if hasattr(refconv, name.partition(".")[0]):
        return attrgetter(name)(refconv)
    (module,) = [module for module in map(vars(reference).__getitem__, reference.__all__) if name in module.__all__]
    return getattr(module, name)


@dataclass(frozen=True)
class Derivative:
    """A function that returns ∂⟨dy, f⟩/∂a for one or several arrays a of an operator.

    Parameters
    ----------
    name : str
        The public function, such as "conv2d_dx".
    wrt : tuple of str
        Names of the arrays whose derivatives it returns, in this order; empty if the arrays differ from case to case.
    call : callable
        ``call(function, a)`` calls the function with the arguments a; ``a.dy`` is ∂e/∂y. If ``wrt`` is empty, it returns a
        dict of derivatives by name of array.
    """

    name: str
    wrt: tuple[str, ...]
    call: Callable[[Callable[..., Any], Arguments], Any]

    def __call__(self, a: Arguments, function: Callable[..., Any] | None = None) -> dict[str, Array]:
        """Return the derivatives by name of array.

        Raises :class:`Refuted` if a derivative does not have the shape of its array.
        """
        result = self.call(function or lookup(self.name), a)
        if self.wrt:
            result = dict(zip(self.wrt, result if isinstance(result, tuple) else (result,), strict=True))
        for name, derivative in result.items():
            if np.shape(derivative) != a.arrays[name].shape:
                raise Refuted(f"{self.name} must have the shape of {name}, {a.arrays[name].shape}, got {np.shape(derivative)}")
        return result


@dataclass(frozen=True)
class Pin:
    """A point at which the results are known as literal numbers.

    It is either a point on a kink, where the derivative is a convention, or an example worked by hand. ``arrays`` contains the
    operator's arrays and dy; ``expected`` contains the output as "y" and the derivatives by name of array; ``options`` and
    ``given`` are the same as in a case. ``refused`` is the beginning of the message of the ``ValueError`` that the arguments
    must raise; empty if they must not raise.
    """

    words: str
    arrays: Mapping[str, Any]
    expected: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator and its derivatives.

    Parameters
    ----------
    name : str
        The public function, such as "conv2d", the class, such as "nn.Conv2D", or a loop without a public function.
    family : str
        Name of its modules: ``reference/FAMILY.py``, ``_core/*/FAMILY.pyx``, ``ops/FAMILY.py``.
    ids : str
        Ids of the statements of the lectures that it and its derivatives implement, as in ``Source:``.
    formula : str
        The formula in one line.
    forward : callable
        ``forward(function, a)`` calls it with the arguments a and returns the output y.
    derivatives : tuple of Derivative
    fixed : tuple of Case
        A few small cases that together use every option, for exact but slow evidence.
    cases : callable
        Returns the hypothesis strategy for cases.
    nature : str
        "linear": linear in each of its arrays (a bias may be added). "rational": made with + − × ÷ and comparisons only.
        "smooth": with roots or exponentials.
    slack : float
        Tolerance between loops and kernels, in units of rounding, for an operator that is not linear.
    draws : int
        Number of random cases for differences and for the comparison of loops and kernels.
    pins : tuple of Pin
        Points on its kinks.
    worked : tuple of Pin
        Examples worked by hand: an oracle that needs no other library.
    definition : callable or None
        ``definition(a)`` returns the results that the operator and its derivatives must return, computed in another way: a
        dict with the output as "y" and the derivatives by name of array, or some of these.
    like : str or None
        The public operator with the same arguments and results; oracles use its name.
    loops : tuple of str
        Loops of the family that the operator calls under another name.
    matrix : callable or None
        ``matrix(a)`` returns T with ``T @ x.ravel() == f(x).ravel()``; None if no function computes it.
    without : tuple of str
        Kinds of evidence that do not apply to this operator, for a reason stated in the catalogue.
    refused_cases : callable or None
        Returns the hypothesis strategy for cases that the operator must refuse.
    further : mapping of str to callable
        Further results that oracles compare, such as the positions of maxima: ``further[name](a)`` returns a result.
    """

    name: str
    family: str
    ids: str
    formula: str
    forward: Callable[[Callable[..., Any], Arguments], Any]
    derivatives: tuple[Derivative, ...]
    fixed: tuple[Case, ...]
    cases: Callable[[], Any]
    nature: str = "linear"
    slack: float = 64.0
    draws: int = 60
    pins: tuple[Pin, ...] = ()
    worked: tuple[Pin, ...] = ()
    definition: Callable[[Arguments], Mapping[str, Any]] | None = None
    like: str | None = None
    loops: tuple[str, ...] = ()
    matrix: Callable[[Arguments], Array] | None = None
    without: tuple[str, ...] = ()
    refused_cases: Callable[[], Any] | None = None
    further: Mapping[str, Callable[[Arguments], Array]] = field(default_factory=dict)

    def __call__(self, a: Arguments, function: Callable[..., Any] | None = None) -> Any:
        """Return the output y."""
        return self.forward(function or lookup(self.name), a)

    def results(self, a: Arguments) -> dict[str, Array]:
        """Return the output as "y" and all derivatives by name of array; ``a.dy`` is ∂e/∂y."""
        derivatives = {name: d for derivative in self.derivatives for name, d in derivative(a).items()}
        return {"y": np.asarray(self(a)), **derivatives}

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the operator and its derivatives, without duplicates."""
        return tuple(dict.fromkeys([self.name, *(derivative.name for derivative in self.derivatives)]))
