"""Architectures of the lectures, with one module for each family."""

from typing import TYPE_CHECKING, Any

from refconv.models.alexnet import alexnet
from refconv.models.bn_inception import bn_inception
from refconv.models.cells import CCells, SCells
from refconv.models.cifar_resnet import cifar_resnet
from refconv.models.deep_image_prior import deep_image_prior
from refconv.models.densenet import cifar_densenet, densenet
from refconv.models.fractalnet import fractalnet
from refconv.models.googlenet import googlenet
from refconv.models.inception_v3 import inception_v3
from refconv.models.lenet import lenet
from refconv.models.mobilenet import mobilenet
from refconv.models.neocognitron import neocognitron
from refconv.models.nin import nin
from refconv.models.registry import canonical_name, create, input_shape, names, weights_names
from refconv.models.resnet import resnet
from refconv.models.resnext import resnext
from refconv.models.unet import unet
from refconv.models.vgg import vgg
from refconv.models.wide_resnet import wide_resnet, wide_resnet50
from refconv.models.zfnet import zfnet

__all__ = [
    "CCells",
    "SCells",
    "alexnet",
    "bn_inception",
    "canonical_name",
    "cifar_densenet",
    "cifar_resnet",
    "create",
    "deep_image_prior",
    "densenet",
    "fractalnet",
    "googlenet",
    "inception_v3",
    "input_shape",
    "lenet",
    "mobilenet",
    "names",
    "neocognitron",
    "nin",
    "resnet",
    "resnext",
    "unet",
    "vgg",
    "weights_names",
    "wide_resnet",
    "wide_resnet50",
    "zfnet",
]

if not TYPE_CHECKING:  # with __getattr__, a type checker would not report missing names

    def __getattr__(name: str) -> Any:
        """Raise ``AttributeError`` with a hint how to create a network such as ``resnet50``."""
        hint = ""
        if not name.startswith("_"):
            try:
                hint = f': use models.create("{canonical_name(name)}")'
            except ValueError:  # no network has this name
                hint = ""
        raise AttributeError(f"module 'refconv.models' has no attribute {name!r}{hint}", name=name)
