"""Gradients of single parameters, compared with PyTorch's gradients of the same parameters.

The gradient of a parameter is a sum of terms t, one for each image and pixel. Each term has gone through all layers and has
rounding errors of some hundred u · |t|, where u is the unit roundoff (2⁻⁵³ in float64, 2⁻²⁴ in float32). If the terms cancel,
these errors remain, but the gradient is small: the gradient of a bias before a batch normalisation is even 0 in exact
arithmetic, and both libraries compute rounding errors instead. Therefore differences are compared with the gradient, or with
ROUNDINGS · u · Σ|t| if this is larger. PyTorch computes Σ|t| from the input of the layer and the gradient of its output, like
the gradient, but from absolute values.

The rounding errors of a mean of float32 are an example: they change x − mean of a batch normalisation by u · |mean|. Without
the magnitudes |x| + |mean|, the gradients of several scales would exceed their limits in float32, in DenseNet-121,
GoogLeNet and ResNet-50.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple
from unittest import mock

import numpy as np

__all__ = [
    "INPUT",
    "RUNS",
    "Difference",
    "differences",
    "errors",
    "other_maxima",
    "sums_of_magnitudes",
    "with_other_roundings",
]

INPUT = "input"  # key of the gradient of the images
UNIT_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24}
LIMIT = 1e-9  # of float64, relative to the largest element
ROUNDINGS = {"float64": 1000, "float32": 200}  # of a term, in units of u · |t|
# Errors of float32 may be this multiple of PyTorch's own. PyTorch divides long sums into more parts than refconv, whose parts
# have up to 512 terms: with AVX2, the errors of a 1×1 convolution of 1024 channels are 1.65 times as large as PyTorch's. The
# rest is for chance, since the largest errors of a few runs are compared.
OWN_ERRORS = 3
RUNS = 6  # of PyTorch in float32, of which the largest error counts: each run has other roundings
SELECTION_ERROR = 2.0**-20  # 16 u, relative: standard deviation of rounding errors before a max pooling


class Difference(NamedTuple):
    """Largest difference of a gradient, and the largest that is accepted.

    In float64, ``value`` is the difference from PyTorch's gradient. In float32, both libraries are compared with PyTorch's
    gradient in float64: ``value`` is the error of refconv, and ``own`` PyTorch's. ``largest`` is the largest element.
    """

    key: str
    value: float
    limit: float
    largest: float
    own: float

    @property
    def ratio(self) -> float:
        """The value as a multiple of the limit: at most 1 if the gradients agree."""
        return self.value / self.limit if self.limit else np.inf if self.value else 0.0


def differences(actual, exact, own_errors, sums, dtype):
    """Return the difference of each gradient, the largest multiple of its limit first.

    The gradients of refconv and of PyTorch in float64 are dicts of arrays by PyTorch's keys. ``own_errors`` is the result of
    :func:`errors` of PyTorch's gradients in float32, and ``sums`` of :func:`sums_of_magnitudes` in float64.
    """
    found = []
    for key, value in errors(actual, exact).items():
        largest, own = float(np.abs(exact[key]).max()), own_errors.get(key, 0.0)
        rounding = ROUNDINGS[dtype] * UNIT_ROUNDOFF[dtype] * sums.get(key, 0.0)
        limit = max(LIMIT * largest if dtype == "float64" else OWN_ERRORS * own, rounding)
        found.append(Difference(key, value, limit, largest, own))
    return sorted(found, key=lambda difference: -difference.ratio)


def errors(gradients, exact):
    """Return max|a − b| for each gradient."""
    return {key: float(np.abs(gradients[key] - gradient).max()) for key, gradient in exact.items()}


def with_other_roundings(images, rng):
    """Return images of which half of the pixels are the next larger number."""
    return np.where(rng.random(images.shape) < 0.5, images, np.nextafter(images, np.inf))


@contextlib.contextmanager
def other_maxima(rng):
    """Let PyTorch's max poolings select their elements as after other rounding errors.

    If the two largest elements of a window differ by less than the rounding errors of the layers before, either of them may be
    selected, and gets the whole gradient of the window.
    """
    import torch

    original = torch.nn.functional.max_pool2d

    def select(x, *window, **options):
        noise = torch.from_numpy(rng.normal(0, SELECTION_ERROR, x.shape).astype(np.float32))
        _, places = original(x.detach() * (1 + noise), *window, **{**options, "return_indices": True})
        return x.flatten(2).gather(2, places.flatten(2)).view(places.shape)

    with mock.patch.object(torch.nn.functional, "max_pool2d", select):
        yield


@contextlib.contextmanager
def sums_of_magnitudes(network):
    """Record the largest Σ|t| of each parameter of a PyTorch network during a training pass.

    Yields a dict by the names of the parameters, which is filled in the backward pass.
    """
    import torch

    sums = {}

    def observe(name, module):
        def hook(_, inputs, output):
            output.register_hook(lambda dy: sums.update(_sums(name, module, inputs[0].detach(), dy.detach().abs())))

        return module.register_forward_hook(hook)

    layers = (torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.Linear)
    hooks = [observe(name, module) for name, module in network.named_modules() if isinstance(module, layers)]
    try:
        yield sums
    finally:
        for hook in hooks:
            hook.remove()


def _sums(name, module, x, dy):
    """Return the largest Σ|t| of each parameter of a layer.

    ``x`` is the input of the layer, and ``dy`` the magnitudes of the gradient of its output.
    """
    import torch

    if isinstance(module, torch.nn.Linear):
        weight, bias = dy.T @ x.abs(), dy.sum(0)
    elif isinstance(module, torch.nn.Conv2d):
        window = (module.stride, module.padding, module.dilation, module.groups)
        weight, bias = torch.nn.grad.conv2d_weight(x.abs(), module.weight.shape, dy, *window), dy.sum((0, 2, 3))
    else:
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, unbiased=False)
        subtracted = (x.abs() + mean.abs()) / (variance + module.eps).sqrt()  # x − mean may also cancel
        weight, bias = (dy * subtracted).sum((0, 2, 3)), dy.sum((0, 2, 3))
    return {f"{name}.weight": float(weight.max()), f"{name}.bias": float(bias.max())}
