"""Tables of the steps of a plan, in text."""

from __future__ import annotations

from collections.abc import Sequence

from refconv.inference.graph import Affine, Convolution, Limits, Node, PooledConvolution, Product, Total
from refconv.inference.steps import Step

__all__ = ["aligned", "plan_table", "step_cells"]

HEAD = ["step", "computes", "layers", "kernel", "output", "weights", "multiply-adds"]
LEFT_ALIGNED_COLUMNS = 5


def plan_table(steps: Sequence[Step]) -> str:
    """Return one line for each step, and the totals."""
    lines = [step_cells(k, step) for k, step in enumerate(steps, 1)]
    totals = (sum(step.nbytes for step in steps), sum(step.node.multiply_adds for step in steps))
    return aligned([HEAD, *lines, ["total", "", "", "", "", kibibytes(totals[0]), f"{totals[1]:,}"]])


def step_cells(number: int, step: Step) -> list[str]:
    """Return the cells of a step.

    They are its number, what it computes, the layers, the kernel and sizes.
    """
    node = step.node
    return [
        str(number),
        description(node),
        layer_names(node.layers),
        step.kernel,
        " × ".join(map(str, node.shape)),
        kibibytes(step.nbytes),
        f"{node.multiply_adds:,}",
    ]


def description(node: Node) -> str:
    """Return what a node computes, such as "conv 3×3, + stem.pool, ReLU"."""
    parts = []
    if isinstance(node, Convolution):
        kernel, stride = ("×".join(map(str, numbers)) for numbers in (node.window.kernel, node.window.stride))
        parts += ["BN, ReLU"] if node.prologue is not None else []
        parts += [f"conv {kernel}" + (f" stride {stride}" if set(node.window.stride) != {1} else "")]
        parts += [f"{node.groups} groups"] if node.groups > 1 else []
        parts += [f"+ {name}" for name in node.inputs[1:]]
    elif isinstance(node, PooledConvolution):
        return f"{description(node.conv)}, max pool 2×2"
    elif isinstance(node, Affine):
        parts += ["scale and shift"] if node.scale is not None else []
    elif isinstance(node, Product):
        parts += ["dense"]
    elif isinstance(node, Total):
        parts += ["sum"]
    else:
        parts += [type(node).__name__.lower() if not hasattr(node, "layer") else repr(node.layer).partition("(")[0]]
    return ", ".join([*parts, *limited(getattr(node, "limits", Limits()))])


def limited(limits: Limits) -> list[str]:
    """Return the name of the limits of an output."""
    if not limits.are_set():
        return []
    names: dict[tuple[float | None, float | None], str] = {(0, None): "ReLU", (0, 6): "ReLU6"}
    return [names.get((limits.low, limits.high), f"from {limits.low} to {limits.high}")]


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


def kibibytes(size: int) -> str:
    """Return a size in KiB or MiB."""
    if not size:
        return "–"
    return f"{size / 1024:,.1f} KiB" if size < 1 << 20 else f"{size / (1 << 20):,.1f} MiB"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells with aligned columns and rules below the head and above the totals."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["─" * width for width in widths]
    texts = []
    for line in [lines[0], rule, *lines[1:-1], rule, lines[-1]]:
        cells = enumerate(zip(line, widths, strict=True))
        texts.append("  ".join(c.ljust(w) if k < LEFT_ALIGNED_COLUMNS else c.rjust(w) for k, (c, w) in cells).rstrip())
    return "\n".join(texts)
