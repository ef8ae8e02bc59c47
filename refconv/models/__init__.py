"""The architectures of the lectures, one family a file, each written as its paper's table reads."""

from refconv.models.alexnet import alexnet
from refconv.models.bn_inception import bn_inception
from refconv.models.cifar_resnet import cifar_resnet
from refconv.models.deep_image_prior import deep_image_prior
from refconv.models.densenet import cifar_densenet, densenet
from refconv.models.fractalnet import fractalnet
from refconv.models.gabor import gabor_bank, gabor_layer, likest_gabor
from refconv.models.googlenet import googlenet
from refconv.models.inception_v3 import inception_v3
from refconv.models.lenet import lenet
from refconv.models.mobilenet import mobilenet
from refconv.models.neocognitron import neocognitron
from refconv.models.nin import nin
from refconv.models.registry import build, input_shape, list
from refconv.models.resnet import resnet
from refconv.models.resnext import resnext
from refconv.models.unet import unet
from refconv.models.unravelled import count_paths, deletable, path_lengths, paths, without
from refconv.models.vgg import vgg
from refconv.models.wide_resnet import wide_resnet, wide_resnet50
from refconv.models.zfnet import zfnet

__all__ = [
    "alexnet",
    "bn_inception",
    "build",
    "cifar_densenet",
    "cifar_resnet",
    "count_paths",
    "deep_image_prior",
    "deletable",
    "densenet",
    "fractalnet",
    "gabor_bank",
    "gabor_layer",
    "googlenet",
    "inception_v3",
    "input_shape",
    "lenet",
    "likest_gabor",
    "list",
    "mobilenet",
    "neocognitron",
    "nin",
    "path_lengths",
    "paths",
    "resnet",
    "resnext",
    "unet",
    "vgg",
    "wide_resnet",
    "wide_resnet50",
    "without",
    "zfnet",
]
