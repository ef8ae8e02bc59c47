"""Compiled inference: a network as a list of steps."""

from __future__ import annotations

import math
import threading
from typing import Any, get_args

import numpy as np

from refconv import _core
from refconv._arguments import choice, contiguous, entries, integer
from refconv._config import Precision, config, get_config
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.inference.graph import INPUT
from refconv.inference.lowering import lower
from refconv.inference.memory import plan_memory
from refconv.inference.profile import Profile, profile
from refconv.inference.rewriting import rewrite
from refconv.inference.steps import Step, step_of
from refconv.inference.table import plan_table
from refconv.inference.tiles import choose_tiles
from refconv.inference.watch import Watch
from refconv.nn import Layer
from refconv.typing import Array, Shape

__all__ = ["Plan", "compile_model"]


def compile_model(
    model: Layer,
    input_shape: Shape | None = None,
    *,
    batch_size: int = 1,
    precision: Precision = "fast",
    watch: bool = True,
) -> Plan:
    """Compile a network for inference, with fused layers and packed weights.

    Batch normalisation becomes part of the weights of the convolution before it. Biases, ReLU and residual additions are
    applied while the sums are in registers. Branches write to their channels of a concatenation. Outputs share one block of
    memory.

    Parameters
    ----------
    model : Layer
        A built network.
    input_shape : tuple of int, optional
        Shape of one input, without the batch. The default is the shape for which the network was built.
    batch_size : int
        Number of inputs for which the algorithms are chosen. The plan accepts any number.
    precision : str
        Precision of 3×3 convolutions as in :class:`refconv.config`, "fast" or "standard". Outputs of VGG-16 with "fast" differ
        by about 2e-6 of the largest score.
    watch : bool
        If True, each call checks whether the network has changed, and compiles it again if it has. The check reads all weights
        only if they were accessed since the last call, or while something else refers to them, such as a variable that
        contains ``parameter.value``. Then one image takes about a seventh longer with ResNet-50. With False, the plan uses the
        weights that the network had when it was compiled.

    Returns
    -------
    Plan

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid or does not fit the network.
    RuntimeError
        If the network is not built, or this build of refconv has no kernels.

    Examples
    --------
    >>> import refconv
    >>> from refconv import nn
    >>> block = nn.Sequential(conv=nn.Conv2D(6, 3, padding="same", bias=False), norm=nn.BatchNorm())
    >>> model = nn.Sequential(block=nn.Sum(nn.Identity(), block), relu=nn.ReLU())
    >>> model.build((14, 15, 6), rng=0)
    (14, 15, 6)
    >>> plan = refconv.compile_model(model)
    >>> len(plan.steps)
    1
    >>> x = np.ones((3, 14, 15, 6), np.float32)
    >>> bool(np.allclose(plan(x), model(x), atol=1e-5))
    True

    Source: lecture rows A16 and A23 (SOURCES.md).
    """
    if _core.ISA is None:
        raise RuntimeError(
            "compile_model needs the compiled kernels, and this build of refconv has only the loops: call model(x)"
        )
    if not isinstance(model, Layer):
        raise ArgumentTypeError(f"model must be a layer, got {model!r}")
    if input_shape is None:
        input_shape = model.input_shape
    if input_shape is None or not model.is_built:
        raise RuntimeError("model must be built: call build(input_shape) first")
    if entries(input_shape) is None:
        raise ArgumentTypeError(f"input_shape must be a tuple of integers, one input without the batch, got {input_shape!r}")
    chosen = choice("precision", precision, get_args(Precision))
    return Plan(model, tuple(input_shape), integer("batch_size", batch_size), chosen, watch)


class Plan:
    """Network compiled for inference by :func:`compile_model`.

    ``plan(x)`` is the output of ``model(x)``, up to rounding. ``print(plan)`` shows the steps, and ``plan.profile(x)`` also
    the time of each. The plan can be called by several threads; the calls run one after the other.

    Attributes
    ----------
    model : Layer
        The network.
    input_shape : tuple of int
        Shape of one input, without the batch.
    steps : list of Step
        The computations in order.
    """

    def __init__(self, model: Layer, input_shape: Shape, batch_size: int, precision: Precision, watch: bool) -> None:
        self.model, self.input_shape = model, input_shape
        self.output_shape = tuple(model.output_shape(input_shape))
        self._lock = threading.Lock()
        self._batch_size, self._precision, self._is_watching = batch_size, precision, watch
        self._compile()

    def __call__(self, x: Array) -> Array:
        """Return the output of the network for a batch of inputs.

        With another engine than "kernels", the layers of the network compute the output.
        """
        if get_config().engine != "kernels":
            return self.model(x)
        x = self._checked(x)
        if not len(x):
            return np.empty((0, *self.output_shape), self.dtype)
        with self._lock:
            self._update(len(x))
            return self._run(x)

    def profile(self, x: Array, rounds: int = 10) -> Profile:
        """Measure the time of each step for a batch of inputs.

        Parameters
        ----------
        x : array
            The inputs.
        rounds : int
            Number of runs; the result is the median of each step.
        """
        x = self._checked(x)
        with self._lock:
            self._update(len(x))
            return profile(self, x, integer("rounds", rounds))

    @property
    def nbytes(self) -> int:
        """Bytes of the packed weights and of the arena."""
        return sum(step.nbytes for step in self.steps) + self._memory.nbytes

    def __str__(self) -> str:
        return plan_table(self.steps)

    def __repr__(self) -> str:
        return f"Plan({len(self.steps)} steps, {self.input_shape} → {self.output_shape})"

    def _checked(self, x: Array) -> Array:
        x = np.asarray(x)
        if x.dtype != self.dtype:
            raise ArgumentTypeError(f"x must be {self.dtype}, the type of the network's parameters, got {x.dtype}")
        if x.shape[1:] != self.input_shape or x.ndim != 1 + len(self.input_shape):
            expected = ", ".join(["N", *map(str, self.input_shape)])
            raise ArgumentValueError(f"x must have shape ({expected}), got {x.shape}: compile_model was called for this shape")
        return contiguous(x, self.dtype)

    def _compile(self) -> None:
        self._watch = Watch(self.model) if self._is_watching else None
        self.dtype = next((p.value.dtype for p in self.model.named_parameters().values()), np.dtype(np.float32))
        self.graph = rewrite(lower(self.model, self.input_shape, self._batch_size, self.dtype.itemsize))
        self.arena = plan_memory(self.graph)
        weights = sum(parameter.value.size for parameter in self.model.named_parameters().values())
        with config(precision=self._precision):
            choose_tiles(self.graph, self.arena.size, weights)
            self.steps: list[Step] = [step_of(node, self.dtype, self._batch_size) for node in self.graph.nodes.values()]
        last_reads = {
            name: node.name for node in self.graph.nodes.values() for name in node.inputs if name != self.graph.output
        }
        self._released: dict[str, list[str]] = {}  # by the name of a node: the outputs that no later node reads
        for name, last in last_reads.items():
            self._released.setdefault(last, []).append(name)
        self._allocate(self._batch_size)

    def _update(self, images: int) -> None:
        """Compile again if the network has changed, and allocate memory for these images."""
        if self._watch is not None and not self._watch.is_unchanged():
            self._compile()
        if images != self._images:
            self._allocate(images)

    def _allocate(self, images: int) -> None:
        """Allocate the arena for a number of images, and find the place of each output in it."""
        self._memory = np.empty(self.arena.size * images, self.dtype)
        self._outputs = {}
        for name, place in self.arena.places.items():
            buffer = self.arena.buffers[place.buffer]
            first, size = images * buffer.offset, images * math.prod(buffer.shape)
            array = self._memory[first : first + size].reshape(images, *buffer.shape)
            self._outputs[name] = array[..., place.channel : place.channel + self.graph.shape(name)[-1]]
        self._images = images

    def _run(self, x: Array, after: Any = None) -> Array:
        """Run all steps; call ``after(step)`` after each."""
        values = {INPUT: x}
        for step in self.steps:
            node = step.node
            values[node.name] = step([values[name] for name in node.inputs], self._outputs.get(node.name))
            for name in self._released.get(node.name, ()):
                del values[name]
            if after is not None:
                after(step)
        return values[self.graph.output].copy()
