"""Times of the steps of a plan."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from refconv._config import get_config
from refconv._tables import aligned
from refconv.inference.limits import Limits, measure_limits
from refconv.inference.steps import Step
from refconv.inference.table import HEAD, LEFT_ALIGNED, step_cells
from refconv.typing import Array

__all__ = ["Profile", "StepTime", "profile"]


@dataclass(frozen=True)
class StepTime:
    """Time of one step.

    Parameters
    ----------
    step : Step
    seconds : float
        Median of several runs.
    share : float
        Share of the total, from 0 to 1.
    of_limit : float
        Shortest possible time on this machine, divided by the time: the machine is used completely at 1.
    """

    step: Step
    seconds: float
    share: float
    of_limit: float


@dataclass(frozen=True)
class Profile:
    """Times of all steps, for a batch of ``images`` inputs on a number of threads.

    ``print(profile)`` shows them as a table.
    """

    images: int
    threads: int
    times: list[StepTime]

    @property
    def seconds(self) -> float:
        """Time of all steps together."""
        return sum(time.seconds for time in self.times)

    @property
    def description(self) -> str:
        """Number of images and of threads, as text."""
        images = f"{self.images} image{'s' * (self.images > 1)}"
        return f"{images}, {self.threads} thread{'s' * (self.threads > 1)}"

    def as_json(self) -> str:
        """Return the table as JSON: times in seconds, sizes in bytes."""
        steps = [
            {
                "name": time.step.node.name,
                "layers": time.step.node.layers,
                "kernel": time.step.kernel,
                "output": time.step.node.shape,
                "weights": time.step.nbytes,
                "multiply_adds": time.step.node.multiply_adds,
                "seconds": time.seconds,
                "of_limit": time.of_limit,
            }
            for time in self.times
        ]
        return json.dumps({"images": self.images, "threads": self.threads, "seconds": self.seconds, "steps": steps}, indent=1)

    def __str__(self) -> str:
        head = [*HEAD, "ms", "%", "% of limit"]
        lines = [
            [*step_cells(k, t.step), f"{1000 * t.seconds:.3f}", f"{100 * t.share:.1f}", f"{100 * t.of_limit:.0f}"]
            for k, t in enumerate(self.times, 1)
        ]
        total = ["total", *[""] * (len(HEAD) - 1), f"{1000 * self.seconds:.3f}", "100.0", ""]
        table = aligned([head, *lines, total], LEFT_ALIGNED, totals=len(lines) + 1)
        return "\n".join([*table, "", self.description])


def profile(plan: Any, x: Array, rounds: int) -> Profile:
    """Run a :class:`Plan` several times and return the median time of each step."""
    seconds: dict[str, list[float]] = {step.node.name: [] for step in plan.steps}
    before = 0.0

    def after(step: Step) -> None:
        nonlocal before
        now = time.perf_counter()
        seconds[step.node.name].append(now - before)
        before = time.perf_counter()

    for _ in range(rounds + 1):
        before = time.perf_counter()
        plan._run(x, after)
    medians = [float(np.median(values[1:])) for values in seconds.values()]  # the first run warms up
    limits, total = measure_limits(get_config().threads), sum(medians)
    times = [
        StepTime(step, median, median / total, least_seconds(plan, step, len(x), limits) / median)
        for step, median in zip(plan.steps, medians, strict=True)
    ]
    return Profile(len(x), get_config().threads, times)


def least_seconds(plan: Any, step: Step, images: int, limits: Limits) -> float:
    """Return the shortest time of a step on this machine.

    It computes the multiply-adds at the peak rate, and reads and writes each array once.

    Winograd's algorithm needs fewer multiply-adds, so it can be faster than this.
    """
    node = step.node
    elements = images * sum(int(np.prod(plan.graph.shape(name))) for name in [node.name, *node.inputs])
    moved = elements * plan.dtype.itemsize + step.nbytes
    return limits.seconds(2 * images * node.multiply_adds, moved, plan.dtype.name)
