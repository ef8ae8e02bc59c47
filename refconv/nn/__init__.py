"""Layers and combinators; ``forward`` returns the output and a backward function."""

from typing import TYPE_CHECKING, Any

from refconv.nn.activation import ELU, LeakyReLU, ReLU, ReLU6, Sigmoid, Softmax, Tanh
from refconv.nn.avg_pool import AvgPool1D, AvgPool2D, GlobalAvgPool1D, GlobalAvgPool2D
from refconv.nn.channels import ChannelAffine, PadChannels, Select
from refconv.nn.combinators import Concat, Identity, Mean, Sequential, StochasticDepth, Sum
from refconv.nn.conv import Conv1D, Conv2D
from refconv.nn.conv_transpose import ConvTranspose1D, ConvTranspose2D
from refconv.nn.crop import Crop2D
from refconv.nn.dense import Dense, Flatten
from refconv.nn.dropout import Dropout
from refconv.nn.foreign import missing_name
from refconv.nn.fractal import DropPath, Fractal
from refconv.nn.fully_convolutional import fully_convolutional
from refconv.nn.graph import Graph
from refconv.nn.group_norm import GroupNorm, InstanceNorm, LayerNorm
from refconv.nn.heads import Heads
from refconv.nn.initializers import glorot_uniform, he_normal, ones, zeros
from refconv.nn.layer import Layer, Parameter, Spec
from refconv.nn.max_pool import GlobalMaxPool1D, GlobalMaxPool2D, MaxPool1D, MaxPool2D
from refconv.nn.norm import BatchNorm
from refconv.nn.p4_conv import P4Conv2D, P4ConvLift2D
from refconv.nn.p4_norm import P4BatchNorm
from refconv.nn.p4_pool import P4GroupPool, P4MaxPool2D
from refconv.nn.resize import AdaptiveAvgPool2D, Pad2D, Upsample2D
from refconv.nn.response_norm import LocalResponseNorm
from refconv.nn.separable import DepthwiseConv2D, SeparableConv2D
from refconv.nn.transfer import freeze_to, replace_layer

__all__ = [
    "ELU",
    "AdaptiveAvgPool2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNorm",
    "ChannelAffine",
    "Concat",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "Crop2D",
    "Dense",
    "DepthwiseConv2D",
    "DropPath",
    "Dropout",
    "Flatten",
    "Fractal",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "Graph",
    "GroupNorm",
    "Heads",
    "Identity",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LocalResponseNorm",
    "MaxPool1D",
    "MaxPool2D",
    "Mean",
    "P4BatchNorm",
    "P4Conv2D",
    "P4ConvLift2D",
    "P4GroupPool",
    "P4MaxPool2D",
    "Pad2D",
    "PadChannels",
    "Parameter",
    "ReLU",
    "ReLU6",
    "Select",
    "SeparableConv2D",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Spec",
    "StochasticDepth",
    "Sum",
    "Tanh",
    "Upsample2D",
    "freeze_to",
    "fully_convolutional",
    "glorot_uniform",
    "he_normal",
    "ones",
    "replace_layer",
    "zeros",
]

if not TYPE_CHECKING:  # a type checker reports missing names itself

    def __getattr__(name: str) -> Any:
        raise missing_name(name, __all__)
