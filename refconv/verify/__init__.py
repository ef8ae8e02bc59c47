"""Five independent kinds of evidence that loops, kernels and derivatives are correct.

============  ====================================================================================================
symbolic      the loops run on symbols; sympy's derivative of ⟨dy, f⟩ minus the derivative loop is zero
numeric       central differences in float64, with a random dy
adjoint       ⟨dy, J v⟩ = ⟨Jᵀ dy, v⟩ in exact fractions, J v from dual numbers; and T, Tᵀ as matrices
parity        loops, NumPy and kernels on the same input, float32 and float64, driven by hypothesis
oracle        literal tables of paddings, sizes and divisors; worked examples; SciPy; PyTorch, JAX, ONNX Runtime and the ONNX
              operator tests, if they are installed
============  ====================================================================================================

Layers and optimisers have rows in the same table. Each is also defined in another way, by operators or in NumPy. The layer or
optimiser is proved equal to its definition on symbols and compared with it on the kernels.

``refconv verify`` prints the table operator × evidence, and the test suite runs the same checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from refconv._optional import need
from refconv.verify.evidence.slide_example import slide_example

if TYPE_CHECKING:  # at run time these need optional packages, or are slow to import
    import numpy as np

    from refconv.nn import Layer
    from refconv.typing import Array, Shape
    from refconv.verify.evidence.kinds import Outcome
    from refconv.verify.student.check import Verdict
    from refconv.verify.student.layer import LayerVerdict
    from refconv.verify.tracing.trace import Trace

__all__ = ["check", "check_layer", "slide_example", "table", "trace"]


def check(function: Callable[..., Any], name: str, *, seconds: float = 5.0) -> Verdict:
    """Compare your own function with the loop of this name, and print a report.

    Options that your function does not accept stay at their defaults. See :func:`refconv.verify.student.check.check` for an
    example and for the number of calls.

    Parameters
    ----------
    function : callable
        Your version; it is called with the arguments of the operator, as float64 arrays.
    name : str
        Any operator of refconv or one of its derivatives, such as "conv2d", "conv2d_dx" or "batch_norm_grads".
    seconds : float
        Time limit for the comparison.

    Returns
    -------
    Verdict
        True if nothing was wrong, so ``assert verify.check(my_conv2d, "conv2d")`` works in a test.

    Raises
    ------
    TypeError, ValueError
        If refconv has no operator of this name, or seconds is out of range.
    ImportError
        If hypothesis is not installed.
    """
    need("hypothesis", "verify", "verify.check")
    from refconv.verify.student.check import check

    return check(function, name, seconds=seconds)


def check_layer(
    layer: Layer, shape: Shape, *, rng: np.random.Generator | int = 0, batch: int = 3, x: Array | None = None
) -> LayerVerdict:
    """Check the derivatives and other properties of a layer, and print a report.

    In training and in inference, ∂e/∂x and ∂e/∂θ of each trainable parameter are compared with central differences in
    float64. The layer itself does not change: a copy is built. See :func:`refconv.verify.student.layer.check_layer` for an
    example and a list of all checks.

    Parameters
    ----------
    layer : Layer
        The layer or network.
    shape : tuple of int
        Shape of one input, without the batch. Choose different sizes, such as (5, 4, 3), to detect swapped axes.
    rng : numpy.random.Generator or int
        Generator or seed of all random numbers.
    batch : int
        Number of inputs, at least 2.
    x : array (batch, *shape), optional
        The inputs, for a layer that does not accept all numbers.

    Returns
    -------
    LayerVerdict
        True if nothing was wrong, so ``assert verify.check_layer(layer, shape)`` works in a test.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid. An error that the layer raises is part of the report.
    """
    from refconv.verify.student.layer import check_layer

    return check_layer(layer, shape, rng=rng, batch=batch, x=x)


def table(
    names: Sequence[str] = (), *, quick: bool = False, engine: str | None = None, kinds: Sequence[str] | None = None
) -> list[Outcome]:
    """Gather the evidence for operators and print the table operator × evidence row by row.

    Parameters
    ----------
    names : sequence of str
        Operators, their derivatives, optimisers such as "optim.SGD" or layers such as "nn.Conv2D"; all if empty.
    quick : bool
        True for fewer cases.
    engine : str, optional
        "kernels", "numpy" or "reference": the engine for differences and oracles; by default the current one.
    kinds : sequence of str, optional
        Kinds of evidence to gather; all five by default.

    Returns
    -------
    list of Outcome

    Raises
    ------
    ValueError
        If there is no operator or kind of evidence of this name.
    ImportError
        If hypothesis is not installed.
    """
    need("hypothesis", "verify", "verify.table")
    from refconv.verify.evidence.table import table

    return table(names, quick=quick, engine=engine, kinds=kinds)


def trace(name: str, output: Sequence[int] | None = None, **settings: Any) -> Trace:
    """List the products that contribute to one output element of an operator or a derivative.

    See :func:`refconv.verify.tracing.trace.trace` for an example.

    Parameters
    ----------
    name : str
        The loop: "conv2d", "conv2d_dw", "conv2d_dx", "max_pool2d" and so on.
    output : sequence of int, optional
        The element, one index for each axis; by default one near a corner.
    **settings
        The sizes ``input``, ``kernel``, ``channels`` and ``filters``, a ``seed``, or your own ``arrays`` by name; and the
        options of the operator, such as ``stride``.

    Returns
    -------
    Trace

    Raises
    ------
    TypeError, ValueError
        If there is no such loop, option or element; the message names the argument.
    ImportError
        If hypothesis is not installed.
    """
    need("hypothesis", "verify", "verify.trace")
    from refconv.verify.tracing.trace import trace

    return trace(name, output, **settings)
