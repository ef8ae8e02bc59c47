"""Compiled networks for evaluation and prediction, where compiling saves time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refconv._config import get_config
from refconv.inference.plan import Plan, compile_model
from refconv.nn import Layer
from refconv.typing import Array

__all__ = ["LEAST_IMAGES", "for_inference"]

LEAST_IMAGES = 16  # images in a batch, or in all batches; packing the weights takes as long as inference of several images


def for_inference(model: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Return a function that computes the outputs of a network for many batches.

    It compiles the network as soon as that is worth it. The network must not change as long as the function is used. An object
    with the method ``for_inference``, such as an ensemble, returns this function. Other functions are returned unchanged.
    """
    if hasattr(model, "for_inference"):
        function: Callable[[Array], Array] = model.for_inference()
        return function
    return _Compiled(model) if isinstance(model, Layer) else model


class _Compiled:
    """Network, and its plan once enough images have been computed."""

    def __init__(self, model: Layer) -> None:
        self._model, self._plan, self._images = model, None, 0  # type: tuple[Layer, Plan | None, int]

    def __call__(self, x: Array) -> Array:
        settings = get_config()
        if settings.engine != "kernels" or not settings.fusion or not isinstance(x, np.ndarray) or not self._model.is_built:
            return self._model(x)
        self._images += len(x)
        if self._plan is None and self._images >= LEAST_IMAGES and x.dtype in (np.float32, np.float64):
            self._plan = self._compiled(x)
        if self._plan is None or (self._plan.dtype, self._plan.input_shape) != (x.dtype, x.shape[1:]):
            return self._model(x)  # which explains what is wrong
        return self._plan(x)

    def _compiled(self, x: Array) -> Plan | None:
        """Return the plan for inputs like x; None if the network does not accept them."""
        try:
            self._model.output_shape(x.shape[1:])
        except (TypeError, ValueError):
            return None
        return compile_model(self._model, x.shape[1:], batch_size=len(x), watch=False)
