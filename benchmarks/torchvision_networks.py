"""Largest difference between torchvision's networks and refconv's with the same weights.

    python -m benchmarks.torchvision_networks
    python -m benchmarks.torchvision_networks --networks resnet50 googlenet --types float64

For each network, random weights of torchvision's network are copied by `refconv.weights.from_torch`. The columns are
max|a − b| / max|b|, where b is torchvision's result:

    logits          scores of two random images in inference
    all gradients   gradients of all parameters as one vector, in training without dropout, for random gradients of the scores
    one gradient    the gradient of one parameter or of the images as a multiple of its limit, for the worst of them
    of              the name of this parameter in PyTorch

The limits are 1e-9 in float64 and 1e-4 in float32; the exit status is 1 if a value exceeds its limit. In float32, all
gradients may also differ by twice the difference of PyTorch's own gradients in float32 and float64 ("limit"), which is the
largest difference of two results that are equally accurate.

The limit of one gradient is 1e-9 of its largest element in float64. In float32, refconv's error may be three times as large as
PyTorch's own error of the same gradient: the largest of six runs with other roundings. Both limits are larger where the terms
of a gradient cancel, as before a batch normalisation; see ``benchmarks.torch_gradients``.

The derivative of ReLU jumps at 0. With the rounding errors of float32, some of the millions of inputs of ReLU lie on the other
side of 0 in one of the libraries, and then the gradients differ visibly. Therefore the shifts of the batch normalisations are
so large in float32 that these inputs are not near 0. In float64, the shifts are about 0. A max pooling has the same problem if
the largest elements of a window are nearly equal: in three poolings of Inception-v3, 14 of 1.4 million windows select another
element than in float64, and 9 do so in PyTorch. In its other runs, other nearly equal elements of this network are selected.

The images are as small as the networks allow, and not square. PyTorch and torchvision must be installed.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import warnings
from typing import NamedTuple

import numpy as np

from benchmarks.torch_gradients import (
    INPUT,
    RUNS,
    differences,
    errors,
    other_maxima,
    sums_of_magnitudes,
    with_other_roundings,
)
from refconv import models, nn
from refconv._ascii import use_ascii_forms
from refconv.models.torchvision import TORCHVISION
from refconv.nn.layer import all_layers
from refconv.weights import from_torch
from refconv.weights.pytorch import keyed_entries

__all__ = ["Gradients", "logit_error", "networks", "training_pass"]

# Height and width of the images. The head of Inception-v3 needs 17 × 17 pixels at its layer.
SIZES = {"inception_v3": (299, 315), "alexnet": (67, 90), "densenet": (64, 96), "vgg": (34, 64)}
OTHER_SIZE = (64, 96)
# Ranges of the parameters of batch normalisation. In float32, the shifts keep the inputs of ReLU away from 0.
AVERAGES = {"running_mean": (-0.3, 0.3), "running_var": (0.5, 1.5)}
NORMS = {
    "float64": {"weight": (0.5, 1.5), "bias": (-0.3, 0.3), **AVERAGES},
    "float32": {"weight": (0.2, 0.4), "bias": (2.5, 3.5), **AVERAGES},
}
LIMITS = {"float64": 1e-9, "float32": 1e-4}
BATCH = 2


def networks(name, dtype, seed=0):
    """Return torchvision's network and refconv's with the same random weights, without dropout."""
    import torch
    import torchvision

    options = {"transform_input": True} if name in ("googlenet", "inception_v3") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the initial weights of GoogLeNet and Inception-v3
        torch.manual_seed(seed)
        theirs = getattr(torchvision.models, name)(
            **options, **({"aux_logits": True, "init_weights": False} if options else {})
        )
    theirs.to(getattr(torch, dtype))
    randomise_norms(theirs, np.random.default_rng(seed), NORMS[dtype])
    variant = TORCHVISION[name]
    ours = models.create(variant.name, **variant.arguments)
    ours.build((*size_of(name), 3), rng=0, dtype=dtype)
    from_torch(ours, theirs.state_dict())
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for layer in all_layers(ours):
        if isinstance(layer, nn.Dropout):
            layer.rate = 0.0
    return theirs, ours


def randomise_norms(network, rng, ranges):
    """Draw the parameters of all batch normalisations from these ranges."""
    import torch

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            state = module.state_dict()
            for key, (low, high) in ranges.items():
                state[key].copy_(torch.from_numpy(rng.uniform(low, high, state[key].shape)))


def size_of(name):
    return next((size for start, size in SIZES.items() if name.startswith(start)), OTHER_SIZE)


def images_of(name, dtype, seed=1):
    return np.random.default_rng(seed).normal(size=(BATCH, *size_of(name), 3)).astype(dtype)


def as_tensor(images):
    import torch

    return torch.from_numpy(np.moveaxis(images, -1, 1).copy())


def logit_error(name, theirs, ours, dtype):
    """Return max|a − b| / max|b| of the scores in inference."""
    import torch

    images = images_of(name, dtype)
    theirs.eval()
    with torch.no_grad():
        expected = theirs(as_tensor(images)).numpy()
    theirs.train()
    return relative_error(ours(images), expected)


class Gradients(NamedTuple):
    """Gradients of all parameters and of the images, by PyTorch's keys.

    ``actual`` are refconv's, ``expected`` PyTorch's, and ``exact`` PyTorch's in float64 for the same images and weights.
    ``own_errors`` are PyTorch's largest errors in float32, an empty dict in float64.
    ``sums`` is the result of ``sums_of_magnitudes``.
    """

    actual: dict
    expected: dict
    exact: dict
    own_errors: dict
    sums: dict
    dtype: str

    @property
    def vector_error(self):
        """max|a − b| / max|b| of the gradients of all parameters as one vector."""
        return vector_error(self.expected, self.actual)

    @property
    def vector_limit(self):
        """The limit of this error; see the top of this file."""
        own = 0.0 if self.dtype == "float64" else vector_error(self.exact, self.expected)
        return max(LIMITS[self.dtype], 2 * own)

    def differences(self):
        """Return the differences of the single gradients; the first is the worst."""
        return differences(self.actual, self.exact, self.own_errors, self.sums, self.dtype)


def vector_error(expected, actual):
    keys = expected.keys() - {INPUT}
    difference = max(float(np.abs(actual[key] - expected[key]).max()) for key in keys)
    return difference / max(float(np.abs(expected[key]).max()) for key in keys)


def training_pass(name, theirs, ours, dtype):
    """Run both networks in training and return their gradients."""
    images = images_of(name, dtype)
    outputs, backward = ours.forward(images, train=True)
    dys = gradients_of_scores(outputs if isinstance(outputs, tuple) else (outputs,), dtype)
    ours.zero_grad()
    dx = backward(tuple(dys) if len(dys) > 1 else dys[0])
    double = theirs if dtype == "float64" else copy.deepcopy(theirs).double()
    with sums_of_magnitudes(double) as sums:
        exact = torch_gradients(double, images.astype(np.float64), dys)
    expected, own_errors = exact, {}
    if dtype == "float32":
        expected = torch_gradients(theirs, images, dys)
        own_errors = own_errors_of(name, theirs, images, dys, exact, errors(expected, exact))
    parameters, actual = ours.named_parameters(), {INPUT: dx}
    for key, entry in keyed_entries(ours, ours.input_shape).items():
        if (gradient := parameters[entry.parameter].grad) is not None:
            actual[key] = entry.layout(gradient)[0].reshape(entry.shape)
    return Gradients(actual, expected, exact, own_errors, sums, dtype)


def own_errors_of(name, theirs, images, dys, exact, largest):
    """Return the largest error of each gradient in several runs of PyTorch.

    ``largest`` are the errors of the first run.
    """
    rng = np.random.default_rng(3)
    for _ in range(RUNS - 1):
        with other_maxima(rng) if name == "inception_v3" else contextlib.nullcontext():
            found = errors(torch_gradients(theirs, with_other_roundings(images, rng), dys), exact)
        largest = {key: max(error, found[key]) for key, error in largest.items()}
    return largest


def gradients_of_scores(outputs, dtype):
    """Return a random gradient for each output, also of the auxiliary heads."""
    rng = np.random.default_rng(2)
    return [rng.normal(size=tuple(output.shape)).astype(dtype) for output in outputs]


def torch_gradients(network, images, dys):
    """Run torchvision's network in training; return the gradients of its parameters and images."""
    import torch

    network.zero_grad()
    network.train()
    x = as_tensor(images).requires_grad_()
    results = network(x)
    scores, *heads = results if isinstance(results, tuple) else (results,)
    outputs = (scores, *heads[::-1])  # torchvision returns the heads of GoogLeNet from the last to the first
    products = (output * torch.from_numpy(dy).to(output.dtype) for output, dy in zip(outputs, dys, strict=True))
    sum(product.sum() for product in products).backward()
    gradients = {key: parameter.grad.numpy() for key, parameter in network.named_parameters()}
    return {**gradients, INPUT: np.moveaxis(x.grad.numpy(), 1, -1)}


def relative_error(actual, expected):
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def main(arguments=None):
    """Print the table; return 1 if an error exceeds its limit, else 0."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.torchvision_networks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--networks", nargs="+", choices=TORCHVISION, default=[*TORCHVISION], metavar="NAME")
    parser.add_argument("--types", nargs="+", choices=LIMITS, default=[*LIMITS])
    options = parser.parse_args(arguments)
    print(f"{'network':18}{'image':10}{'type':9}{'logits':>9}{'all gradients':>15}{'limit':>9}{'one gradient':>14}  of")
    failed = False
    for name in options.networks:
        for dtype in options.types:
            theirs, ours = networks(name, dtype)
            logits = logit_error(name, theirs, ours, dtype)  # before the training pass changes the running averages
            gradients = training_pass(name, theirs, ours, dtype)
            vector, limit, worst = gradients.vector_error, gradients.vector_limit, gradients.differences()[0]
            failed |= logits > LIMITS[dtype] or vector > limit or worst.ratio > 1
            columns = f"{logits:9.1e}{vector:15.1e}{limit:9.1e}{worst.ratio:14.1e}  {worst.key}"
            print(f"{name:18}{'×'.join(map(str, size_of(name))):10}{dtype:9}{columns}", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
