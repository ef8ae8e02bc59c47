"""Tables of the steps of a plan, in text."""

from __future__ import annotations

from collections.abc import Sequence

from refconv._tables import aligned, size, storage
from refconv.inference.steps import Step

__all__ = ["HEAD", "LEFT_ALIGNED", "plan_table", "step_cells"]

HEAD = ["step", "computes", "layers", "kernel", "output", "weights", "multiply-adds"]
LEFT_ALIGNED = range(5)  # columns


def plan_table(steps: Sequence[Step]) -> str:
    """Return one line for each step, and the totals."""
    lines = [HEAD, *(step_cells(k, step) for k, step in enumerate(steps, 1))]
    totals = (sum(step.nbytes for step in steps), sum(step.node.multiply_adds for step in steps))
    total = ["total", "", "", "", "", storage(totals[0]), f"{totals[1]:,}"]
    return "\n".join(aligned([*lines, total], LEFT_ALIGNED, totals=len(lines)))


def step_cells(number: int, step: Step) -> list[str]:
    """Return the cells of a step.

    They are its number, what it computes, the layers, the kernel and sizes.
    """
    node = step.node
    weights = storage(step.nbytes) if step.nbytes else "–"
    cells = [str(number), node.description(), layer_names(node.layers), step.kernel, size(node.shape), weights]
    return [*cells, f"{node.multiply_adds:,}"]


def layer_names(names: Sequence[str]) -> str:
    """Return dotted names, with what they have in common written once.

    >>> layer_names(["stage2.0.conv1", "stage2.0.norm1", "stage2.0.relu1"])
    'stage2.0.(conv1, norm1, relu1)'
    """
    parts = [name.split(".") for name in names]
    common = 0
    while len(names) > 1 and all(len(part) > common + 1 and part[common] == parts[0][common] for part in parts):
        common += 1
    if not common:
        return ", ".join(names)
    return ".".join([*parts[0][:common], f"({', '.join('.'.join(part[common:]) for part in parts)})"])
