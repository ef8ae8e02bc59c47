"""A row of the catalogue: an operator, its derivatives, and the cases in which they are tested."""

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
    """A claim about an operator is false; the message says where, and ``case`` is the case in which it is."""

    def __init__(self, message: str, case: Case | None = None) -> None:
        super().__init__(message)
        self.case = case


def lookup(name: str) -> Callable[..., Any]:
    """Return the public function or class of a dotted name in refconv, or the loop of a name that has no public function.

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
    """One function that claims to be ∂⟨dy, f⟩/∂a, for one array a of the operator or for several.

    Parameters
    ----------
    name : str
        The public function, such as "conv2d_dx".
    wrt : tuple of str
        The arrays whose derivatives it returns, in its order; empty if the arrays differ from case to case.
    call : callable
        ``call(function, a)`` calls it with the arguments a, of which ``a.dy`` is ∂e/∂y. If ``wrt`` is empty it returns a
        dict of derivatives by the names of their arrays.
    """

    name: str
    wrt: tuple[str, ...]
    call: Callable[[Callable[..., Any], Arguments], Any]

    def __call__(self, a: Arguments, function: Callable[..., Any] | None = None) -> dict[str, Array]:
        """Return the derivatives by the names of their arrays; :class:`Refuted` if a shape is not that of its array."""
        result = self.call(function or lookup(self.name), a)
        if self.wrt:
            result = dict(zip(self.wrt, result if isinstance(result, tuple) else (result,), strict=True))
        for name, derivative in result.items():
            if np.shape(derivative) != a.arrays[name].shape:
                raise Refuted(f"{self.name} has shape {np.shape(derivative)}, and {name} has {a.arrays[name].shape}")
        return result


@dataclass(frozen=True)
class Pin:
    """A point at which the results are known as literal numbers.

    Either a point on a kink, where the derivative is a matter of convention, or an example worked by hand. ``arrays`` holds
    the operator's arrays and dy; ``expected`` the derivatives there, by the names of their arrays, and the output as "y";
    ``options`` and ``given`` are those of a case. ``refused`` is the beginning of the ``ValueError`` that the arguments
    must raise, if they must.
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
        Ids of the lectures' statements that it and its derivatives implement, as in ``Source:``.
    formula : str
        The statement in one line.
    forward : callable
        ``forward(function, a)`` calls it with the arguments a and returns the output y.
    derivatives : tuple of Derivative
    fixed : tuple of Case
        A few small cases that together use every option, for evidence that is exact but slow.
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
        Its kinks.
    worked : tuple of Pin
        Examples worked by hand, an oracle without another library.
    definition : callable or None
        ``definition(a)`` returns what the operator and its derivatives must return, computed in another way: a dict with the
        output as "y" and the derivatives by the names of their arrays, or some of these.
    like : str or None
        The public operator with the same arguments and results, whose name the oracles use.
    loops : tuple of str
        Loops of the family that the operator calls under another name.
    matrix : callable or None
        ``matrix(a)`` returns T with ``T @ x.ravel() == f(x).ravel()``, where there is a function that makes it.
    without : tuple of str
        Kinds of evidence that do not apply to this operator, for a reason stated in the catalogue.
    refused_cases : callable or None
        Returns the hypothesis strategy for cases that the operator must refuse.
    further : mapping of str to callable
        Further results that oracles compare, such as the positions of maxima: ``further[name](a)`` returns one.
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
        """Return the output as "y" and all derivatives by the names of their arrays; ``a.dy`` is ∂e/∂y."""
        derivatives = {name: d for derivative in self.derivatives for name, d in derivative(a).items()}
        return {"y": np.asarray(self(a)), **derivatives}

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the operator and its derivatives, without repetition."""
        return tuple(dict.fromkeys([self.name, *(derivative.name for derivative in self.derivatives)]))
