"""Evidence that loops, kernels and derivatives are right: five independent kinds for each operator and each derivative.

============  ====================================================================================================
symbolic      the loops run on symbols; sympy's derivative of ⟨dy, f⟩ minus the derivative loop is zero
numeric       central differences in float64, with a random dy
adjoint       ⟨dy, J v⟩ = ⟨Jᵀ dy, v⟩ in exact fractions, J v from dual numbers; and T, Tᵀ as matrices
parity        loops and kernels on the same input, float32 and float64, driven by hypothesis
oracle        literal tables of paddings, sizes and divisors; worked examples; SciPy; PyTorch, JAX, ONNX Runtime and the ONNX
              operator tests, where they are installed
============  ====================================================================================================

Layers and optimisers have rows of the same table. What they compute is also defined in another way, by operators or in NumPy,
and the definition is proved equal on symbols and compared on the kernels.

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
    from refconv.verify.evidence.table import Outcome
    from refconv.verify.student.check import Verdict
    from refconv.verify.student.layer import LayerVerdict
    from refconv.verify.tracing.trace import Trace

__all__ = ["check", "check_layer", "slide_example", "table", "trace"]


def check(function: Callable[..., Any], name: str, *, seconds: float = 5.0) -> Verdict:
    """Compare your own function with the loop of this name: see :func:`refconv.verify.student.check.check`."""
    need("hypothesis", "verify", "verify.check")
    from refconv.verify.student.check import check

    return check(function, name, seconds=seconds)


def check_layer(
    layer: Layer, shape: Shape, *, rng: np.random.Generator | int = 0, batch: int = 3, x: Array | None = None
) -> LayerVerdict:
    """Check the derivatives of a layer of your own: see :func:`refconv.verify.student.layer.check_layer`."""
    from refconv.verify.student.layer import check_layer

    return check_layer(layer, shape, rng=rng, batch=batch, x=x)


def table(
    names: Sequence[str] = (), *, quick: bool = False, engine: str | None = None, kinds: Sequence[str] | None = None
) -> list[Outcome]:
    """Gather the evidence and print the table operator × evidence: see :func:`refconv.verify.evidence.table.table`."""
    need("hypothesis", "verify", "verify.table")
    from refconv.verify.evidence.table import table

    return table(names, quick=quick, engine=engine, kinds=kinds)


def trace(name: str, output: Sequence[int] | None = None, **settings: Any) -> Trace:
    """List the products that enter one output element of a loop: see :func:`refconv.verify.tracing.trace.trace`."""
    need("hypothesis", "verify", "verify.trace")
    from refconv.verify.tracing.trace import trace

    return trace(name, output, **settings)
