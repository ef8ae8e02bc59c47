"""Registry of all architectures: names, builders, input shapes and small variants."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any, NamedTuple

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.models.alexnet import alexnet
from refconv.models.aliases import find_name
from refconv.models.blocks import CIFAR, IMAGENET
from refconv.models.bn_inception import bn_inception
from refconv.models.cifar_resnet import cifar_resnet
from refconv.models.deep_image_prior import deep_image_prior
from refconv.models.densenet import cifar_densenet, densenet
from refconv.models.fractalnet import fractalnet
from refconv.models.googlenet import googlenet
from refconv.models.inception_v3 import inception_v3
from refconv.models.lenet import INPUT_SHAPE as LENET_INPUT
from refconv.models.lenet import lenet
from refconv.models.mobilenet import mobilenet
from refconv.models.neocognitron import INPUT_SHAPE as NEOCOGNITRON_INPUT
from refconv.models.neocognitron import neocognitron
from refconv.models.nin import nin
from refconv.models.pretrained import PACKAGED
from refconv.models.resnet import resnet
from refconv.models.resnext import resnext
from refconv.models.unet import unet
from refconv.models.vgg import vgg
from refconv.models.wide_resnet import wide_resnet, wide_resnet50
from refconv.models.zfnet import zfnet
from refconv.nn import Layer

__all__ = ["accepted_arguments", "canonical_name", "create", "input_shape", "names", "weights_names"]

Path = str | os.PathLike[str]

SMALL = "-small"  # suffix of the names of small variants, which train on a laptop


class Model(NamedTuple):
    """Entry of the registry: a builder, its arguments, and the changes for the small variant."""

    builder: Callable[..., Layer]
    arguments: dict[str, Any]
    input_shape: tuple[int, ...]
    small: dict[str, Any]
    small_shape: tuple[int, ...] = CIFAR


SHRUNK = {"width": 0.25, "classes": 10, "small_images": True}

MODELS = {
    "neocognitron": Model(neocognitron, {}, NEOCOGNITRON_INPUT, {"width": 0.5}, NEOCOGNITRON_INPUT),
    "lenet": Model(lenet, {}, LENET_INPUT, {"width": 0.5}, LENET_INPUT),
    "alexnet": Model(alexnet, {}, IMAGENET, SHRUNK),
    "alexnet-single": Model(alexnet, {"style": "single-tower"}, IMAGENET, SHRUNK),
    "zfnet": Model(zfnet, {}, IMAGENET, SHRUNK),
    **{
        f"vgg-{column.lower()}": Model(vgg, {"configuration": column}, IMAGENET, {"classes": 10, "width": 0.25})
        for column in ("A", "A-LRN", "B", "C", "D", "E")
    },
    **{
        f"vgg-{column.lower()}-bn": Model(
            vgg, {"configuration": column, "batch_norm": True}, IMAGENET, {"classes": 10, "width": 0.25}
        )
        for column in ("A", "B", "D", "E")
    },
    "nin": Model(nin, {}, IMAGENET, {"size": "cifar", "classes": 10, "width": 0.25}),
    "nin-cifar": Model(nin, {"size": "cifar", "classes": 10}, CIFAR, {"width": 0.25}),
    "googlenet": Model(googlenet, {}, IMAGENET, SHRUNK),
    "bn-inception": Model(bn_inception, {}, IMAGENET, SHRUNK),
    "inception-v3": Model(inception_v3, {}, (299, 299, 3), {**SHRUNK, "heads": False}),
    "inception-v3-paper": Model(inception_v3, {"style": "paper"}, (299, 299, 3), {**SHRUNK, "heads": False}),
    **{f"resnet{depth}": Model(resnet, {"depth": depth}, IMAGENET, SHRUNK) for depth in (18, 34, 50, 101, 152)},
    **{f"resnet{depth}": Model(cifar_resnet, {"depth": depth}, CIFAR, {"depth": 8}) for depth in (20, 32, 44, 56, 110)},
    **{
        f"plain{depth}": Model(cifar_resnet, {"depth": depth, "plain": True}, CIFAR, {"depth": 8})
        for depth in (20, 32, 44, 56, 110)
    },
    **{f"resnext{depth}": Model(resnext, {"depth": depth}, IMAGENET, SHRUNK) for depth in (50, 101)},
    "resnext101-32x8d": Model(resnext, {"depth": 101, "group_width": 8}, IMAGENET, SHRUNK),
    "resnext101-64x4d": Model(resnext, {"depth": 101, "cardinality": 64, "group_width": 4}, IMAGENET, SHRUNK),
    "wrn-16-8": Model(wide_resnet, {"depth": 16, "factor": 8}, CIFAR, {"depth": 10, "factor": 2}),
    "wrn-28-10": Model(wide_resnet, {"depth": 28, "factor": 10}, CIFAR, {"depth": 10, "factor": 2}),
    "wrn-50-2": Model(wide_resnet50, {}, IMAGENET, SHRUNK),
    "wrn-101-2": Model(resnet, {"depth": 101, "inner": 2, "stride_in": "3x3"}, IMAGENET, SHRUNK),
    "stochastic-depth110": Model(cifar_resnet, {"depth": 110, "survival": 0.5}, CIFAR, {"depth": 14}),
    # The small variants have no drop-path, because it needs long training. After short training, the columns compute
    # different functions, and their mean differs from all of them.
    "fractalnet20": Model(fractalnet, {"columns": 3}, CIFAR, {"width": 0.25, "drop": 0.0, "share": 0.0}),
    "fractalnet40": Model(fractalnet, {"columns": 4, "width": 0.25}, CIFAR, {"columns": 2, "drop": 0.0, "share": 0.0}),
    **{f"densenet{depth}": Model(densenet, {"depth": depth}, IMAGENET, SHRUNK) for depth in (121, 161, 169, 201, 264)},
    "densenet-bc100": Model(cifar_densenet, {"depth": 100, "growth": 12}, CIFAR, {"depth": 22}),
    "mobilenet": Model(mobilenet, {}, IMAGENET, SHRUNK),
    "unet": Model(unet, {}, (572, 572, 1), {"width": 0.25, "depth": 3}, (92, 92, 1)),
    "unet-same": Model(unet, {"padding": "same"}, (512, 512, 1), {"width": 0.25, "depth": 3}, (64, 64, 1)),
    "deep-image-prior": Model(deep_image_prior, {}, (512, 512, 32), {"width": 0.125, "depth": 3}, (64, 64, 32)),
}


def names() -> list[str]:
    """Return the names that :func:`create` accepts.

    Append "-small" for the variant that trains on a laptop.

    >>> "resnet50" in names(), names()[:3]
    (True, ['neocognitron', 'lenet', 'alexnet'])
    """
    return [*MODELS]


def weights_names(name: str) -> list[str]:
    """Return the names of the trained weights for a network that come with refconv.

    :func:`create` accepts them. An alias or another spelling of the network's name is accepted.

    >>> weights_names("lenet"), weights_names("resnet50")
    (['mnist', 'digits'], [])
    """
    return [*PACKAGED.get(canonical_name(name), ())]


def create(name: str, weights: Path | None = None, *, labels: Path | Sequence[str] | None = None, **arguments: Any) -> Layer:
    """Create an architecture by its name, with trained weights or without weights.

    Without ``weights``, the network is not built; ``build`` creates random weights. Case, "-" and "_" are ignored. Names from
    torchvision and Keras are also accepted: "vgg16" is "vgg-d", and "wide_resnet50_2" is "wrn-50-2".

    Parameters
    ----------
    name : str
        One of :func:`names`, or an alias. Append "-small" for the variant that trains on a laptop.
    weights : str or path, optional
        Name of trained weights that come with refconv, one of :func:`weights_names`; a model file or the folder of a run of
        ``refconv train``; or weights of torchvision's network of this name: a safetensors file, or a file of ``torch.save``,
        which needs PyTorch. The number of classes is then the file's. The returned network is built, no layer is frozen, and
        ``notes`` contains the notes in the file, such as the preprocessing and the class names.

        With torchvision's weights, the network has torchvision's layers, and its ``notes`` contain the preprocessing of
        torchvision's published weights. GoogLeNet and Inception-v3 then have ``transform_input=True``, like the networks of
        the published weights.
    labels : path or sequence of str, optional
        Names of the classes for the notes, for example from a text file with a name on each line. Only with ``weights``.
    **arguments
        Arguments for the builder, which override its arguments for this name. All classifiers accept ``classes`` and
        ``width``. With ``weights``, they must be the arguments of the trained network; :func:`refconv.nn.replace_layer`
        replaces its last layer for other classes.

    Returns
    -------
    Layer

    Raises
    ------
    refconv.MissingPackage
        If a file needs PyTorch, which is not installed.
    FileNotFoundError
        If ``weights`` is the name of a file, such as "resnet50.pth", that does not exist.
    TypeError, ValueError
        If there is no architecture of this name, if its builder does not accept an argument, or if an argument is not valid;
        if there are no such weights, or if a file is damaged or contains the weights of another network.

    Examples
    --------
    >>> model = create("lenet", weights="mnist")
    >>> model.input_shape, model.notes["data"]
    ((32, 32, 1), 'mnist')
    >>> create("resnet50", classes=26).output_shape((224, 224, 3)), create("ResNet50_small").output_shape((32, 32, 3))
    ((26,), (10,))

    Source: lecture rows M1–M17 (SOURCES.md).
    """
    model, small = _find(name)
    if weights is not None:
        from refconv.weights.pretrained import pretrained

        return pretrained(name, weights, arguments, labels)
    if labels is not None:
        raise ArgumentValueError(f"labels must be None without weights, got {labels!r}")
    accepted = accepted_arguments(name)
    if unknown := [argument for argument in arguments if argument not in accepted]:
        raise ArgumentTypeError(f"arguments of {name} must be among {', '.join(accepted)}, got {', '.join(unknown)}")
    return model.builder(**{**model.arguments, **(model.small if small else {}), **arguments})


def input_shape(name: str) -> tuple[int, ...]:
    """Return the shape of one input, without the batch axis, of the network with this name.

    >>> input_shape("lenet"), input_shape("resnet50-small")
    ((32, 32, 1), (32, 32, 3))
    """
    model, small = _find(name)
    return model.small_shape if small else model.input_shape


def accepted_arguments(name: str) -> list[str]:
    """Return the names of the arguments of the builder of this network.

    >>> accepted_arguments("nin")
    ['size', 'classes', 'width']
    """
    model, _ = _find(name)
    return [*signature(model.builder).parameters]


def canonical_name(name: str) -> str:
    """Return the name in :func:`names` for an alias or another spelling; keep "-small".

    ``ValueError`` is raised if there is none; its message suggests similar names.

    >>> canonical_name("VGG16"), canonical_name("wide_resnet50_2_small")
    ('vgg-d', 'wrn-50-2-small')
    """
    base, small = _split(name)
    return find_name(base, MODELS) + (SMALL if small else "")


def _find(name: str) -> tuple[Model, bool]:
    """Return the entry for a name, and True if the name ends with "-small"."""
    base, small = _split(name)
    return MODELS[find_name(base, MODELS)], small


def _split(name: str) -> tuple[str, bool]:
    """Return the name without "-small", and True if it ended with "-small"."""
    small = isinstance(name, str) and name.lower().replace("_", "-").endswith(SMALL)
    return (name[: -len(SMALL)], True) if small else (name, False)
