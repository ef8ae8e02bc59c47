"""Command ``refconv verify``: prove every operator and every derivative."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from refconv._config import ENGINES
from refconv._optional import need
from refconv.cli.arguments import one_of
from refconv.cli.command import Command
from refconv.cli.console import print_json, print_result
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.verify.evidence.kinds import Outcome

__all__ = ["COMMAND"]

DESCRIPTION = """\
Prove the operators, layers and optimisers. The command prints a table of the evidence for each of them. The exit status is 1
if any case is refuted.

  symbolic  the derivative that sympy computes from the forward loop equals the derivative loop
  numeric   central differences agree with the derivative
  adjoint   the backward function is the transpose of the forward function, exactly in fractions
  parity    loops, NumPy and compiled kernels agree on cases drawn by hypothesis
  oracle    results agree with hand-written tables of paddings, sizes and divisors; worked examples; SciPy; and, if
            installed, PyTorch, JAX, ONNX Runtime and the ONNX operator tests

Each ✓ is followed by the number of cases and the largest error. Cases that were not compared are counted below the table,
with the reason. With --quiet, only the reports of refuted cases are printed.

Symbolic and parity evidence also compare a layer with its operator, and an optimiser with its formula in NumPy.
"""


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    names = "operators such as conv2d or max_pool2d_dx, or classes such as nn.Conv2D or optim.SGD (default: all)"
    add("operators", nargs="*", metavar="OPERATOR", help=names)
    add(
        "--engine",
        **one_of(*ENGINES),
        help="engine that is compared with central differences and other libraries (default: the fastest that was built)",
    )
    add("--quick", action="store_true", help="test fewer cases, in about a minute instead of several")
    add("--json", action="store_true", help="print a list of all pieces of evidence as JSON")


def run(options: Namespace) -> int:
    """Print the table of evidence for each operator; return 1 if a case was refuted, else 0."""
    need("hypothesis", "verify", "refconv verify")
    need("sympy", "verify", "refconv verify")
    from refconv.verify.evidence.report import report
    from refconv.verify.evidence.table import outcomes_of, table

    if options.json or options.quiet:
        outcomes = list(outcomes_of(options.operators, quick=options.quick, engine=options.engine))
    else:
        outcomes = table(options.operators, quick=options.quick, engine=options.engine)
    refuted = [outcome for outcome in outcomes if outcome.refuted is not None]
    if options.json:
        print_json([_as_dict(outcome) for outcome in outcomes])
    elif options.quiet and refuted:
        print_result("\n".join(map(report, refuted)))
    return int(bool(refuted))


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON-serialisable data."""
    return {**asdict(replace(outcome, case=None)), "case": None if outcome.case is None else str(outcome.case)}


COMMAND = Command("verify", "prove every operator and every derivative", DESCRIPTION, add_arguments, run, can_be_quiet=True)
