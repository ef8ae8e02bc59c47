"""Largest difference between torchvision's networks and refconv's with the same weights.

    python -m benchmarks.torchvision_networks
    python -m benchmarks.torchvision_networks --networks resnet50 googlenet --types float64

For each network, random weights of torchvision's network are copied by `refconv.weights.from_torch`. The columns are
max|a − b| / max|b|, where b is torchvision's result:

    logits          scores of two random images in inference
    all gradients   gradients of all parameters as one vector, in training without dropout, for random gradients of the scores
    each gradient   the largest value of the gradients of single parameters (float64 only)

The limits are 1e-9 in float64 and 1e-4 in float32; the exit status is 1 if a value exceeds its limit. In float32, all
gradients may also differ by twice the difference of PyTorch's own gradients in float32 and float64 ("limit"), which is the
largest difference of two results that are equally accurate.

The derivative of ReLU jumps at 0. With the rounding errors of float32, some of the millions of inputs of ReLU lie on the other
side of 0 in one of the libraries, and then the gradients differ visibly. Therefore the shifts of the batch normalisations are
so large in float32 that these inputs are not near 0. The largest element of a pooling window may also change. Large shifts
make some gradients nearly 0, which is why single gradients are not compared in float32. In float64, the shifts are about 0.

The bias of a convolution before a batch normalisation has the gradient 0; both libraries compute rounding errors instead,
which are compared with the largest gradient of the convolution's weights. The images are as small as the networks allow, and
not square. PyTorch and torchvision must be installed.
"""

from __future__ import annotations

import argparse
import copy
import warnings

import numpy as np

from refconv import models, nn
from refconv._ascii import use_ascii_forms
from refconv.models.torchvision import TORCHVISION
from refconv.nn.layer import all_layers
from refconv.weights import from_torch
from refconv.weights.pytorch import keyed_entries

__all__ = ["gradient_errors", "gradient_limit", "logit_error", "networks", "training_pass", "vector_error"]

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


def vector_error(expected, actual):
    """Return max|a − b| / max|b| of all gradients as one vector."""
    difference = max(float(np.abs(actual[key] - gradient).max()) for key, gradient in expected.items())
    return difference / max(float(np.abs(gradient).max()) for gradient in expected.values())


def gradient_errors(expected, actual):
    """Return max|a − b| / max|b| of the gradient of each parameter, by PyTorch's key."""
    errors = {}
    for key, gradient in expected.items():
        weight = key.removesuffix("bias") + "weight"
        is_cancelled = (
            key.endswith(".bias") and gradient.size and np.abs(gradient).max() < 1e-3 * np.abs(expected[weight]).max()
        )
        scale = np.abs(expected[weight] if is_cancelled else gradient).max()
        errors[key] = float(np.abs(actual[key] - gradient).max() / scale)
    return errors


def training_pass(name, theirs, ours, dtype):
    """Run both networks in training and return the gradients of both by PyTorch's keys."""
    images = images_of(name, dtype)
    outputs, backward = ours.forward(images, train=True)
    dys = gradients_of_scores(outputs if isinstance(outputs, tuple) else (outputs,), dtype)
    ours.zero_grad()
    backward(tuple(dys) if len(dys) > 1 else dys[0], want_dx=False)
    expected = torch_gradients(theirs, images)
    parameters, actual = ours.named_parameters(), {}
    for key, entry in keyed_entries(ours, ours.input_shape).items():
        if (gradient := parameters[entry.parameter].grad) is not None:
            actual[key] = entry.layout(gradient)[0].reshape(entry.shape)
    return expected, actual


def gradients_of_scores(outputs, dtype):
    """Return a random gradient for each output, also of the auxiliary heads."""
    rng = np.random.default_rng(2)
    return [rng.normal(size=tuple(output.shape)).astype(dtype) for output in outputs]


def torch_gradients(network, images):
    """Run torchvision's network in training and return the gradients by their keys."""
    import torch

    network.zero_grad()
    network.train()
    results = network(as_tensor(images))
    scores, *heads = results if isinstance(results, tuple) else (results,)
    outputs = (scores, *heads[::-1])  # torchvision returns the heads of GoogLeNet from the last to the first
    dys = gradients_of_scores(outputs, images.dtype)
    sum((output * torch.from_numpy(dy)).sum() for output, dy in zip(outputs, dys, strict=True)).backward()
    return {key: parameter.grad.numpy() for key, parameter in network.named_parameters()}


def gradient_limit(name, theirs, expected, dtype):
    """Return the limit for all gradients; see the top of this file."""
    if dtype == "float64":
        return LIMITS[dtype]
    exact = torch_gradients(copy.deepcopy(theirs).double(), images_of(name, "float64"))
    return max(LIMITS[dtype], 2 * vector_error(exact, expected))


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
    print(f"{'network':18}{'image':10}{'type':9}{'logits':>9}{'all gradients':>15}{'limit':>9}{'each gradient':>15}")
    failed = False
    for name in options.networks:
        for dtype in options.types:
            theirs, ours = networks(name, dtype)
            logits = logit_error(name, theirs, ours, dtype)  # before the training pass changes the running averages
            gradients = training_pass(name, theirs, ours, dtype)
            limit, vector = gradient_limit(name, theirs, gradients[0], dtype), vector_error(*gradients)
            each = [max(gradient_errors(*gradients).values())] if dtype == "float64" else []
            failed |= max([logits, *each]) > LIMITS[dtype] or vector > limit
            columns = f"{logits:9.1e}{vector:15.1e}{limit:9.1e}" + "".join(f"{error:15.1e}" for error in each)
            print(f"{name:18}{'×'.join(map(str, size_of(name))):10}{dtype:9}{columns}", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
