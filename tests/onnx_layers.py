"""Layers and input shapes with every option that ONNX files must express, for tests."""

import numpy as np

from refconv import models, nn
from refconv.nn.joins import Add, Average, Concatenate, Multiply
from refconv.nn.reshape import Pad, ReduceMean, Reshape, Slice, Transpose
from refconv.onnx.layers import Clip, Power, Resize, Scale, Shift

__all__ = ["LAYERS", "RESIDUAL"]

IMAGE, SIGNAL, ROW = (11, 13, 6), (12, 6), (6,)
FIRST = {"data_format": "channels_first"}
RESIDUAL = nn.Sum(nn.Identity(), nn.StochasticDepth(nn.Conv2D(6, 1), 0.6))


def _p4(*layers):
    return nn.Sequential(nn.P4ConvLift2D(5, 3, padding=1), *layers), (10, 12, 3)


def _graph():
    """Return a graph with each kind of join; most outputs are read several times."""
    return nn.Graph(
        {
            "conv": nn.Sequential(nn.Conv2D(4, (3, 2), padding="same"), nn.ReLU()),
            "means": nn.AvgPool2D((11, 13)),
            "product": Multiply(),
            "joined": Concatenate(),
            "mixed": nn.Conv2D(4, 1),
            "mean": Average(),
            "sum": Add(),
        },
        {
            "conv": ["input"],
            "means": ["conv"],
            "product": ["means", "conv"],
            "joined": ["product", "input", "conv"],
            "mixed": ["joined"],
            "mean": ["mixed", "conv"],
            "sum": ["mean", "product", "means"],
        },
    )


LAYERS = {
    "conv same, stride": (nn.Conv2D(4, (3, 4), stride=(2, 3), padding="same"), IMAGE),
    "conv same_lower": (nn.Conv1D(4, 3, padding="same_lower", stride=2), (12, 5)),
    "conv full, dilation": (nn.Conv2D(4, (3, 2), padding="full", dilation=(2, 3)), IMAGE),
    "conv groups": (nn.Conv2D(4, 3, groups=2, padding=((1, 0), (2, 3)), bias=False), IMAGE),
    "conv channels_first": (nn.Conv2D(4, 3, **FIRST), (6, 11, 13)),
    "depthwise": (nn.DepthwiseConv2D((3, 2), 2, padding="same"), IMAGE),
    "separable": (nn.SeparableConv2D(5, (3, 2), 2, padding="same", stride=2), IMAGE),
    "transposed, output_padding": (nn.ConvTranspose2D(4, (3, 2), stride=(2, 3), padding=1, output_padding=1), IMAGE),
    "transposed same, size of Keras": (
        nn.ConvTranspose2D(4, (3, 2), stride=(2, 3), padding="same", output_padding=None, groups=2),
        IMAGE,
    ),
    "transposed same": (nn.ConvTranspose2D(4, (4, 2), stride=(2, 3), padding="same"), IMAGE),
    "transposed, output_padding above the stride": (
        nn.ConvTranspose2D(4, 2, dilation=(3, 1), output_padding=(2, 0)),
        IMAGE,
    ),
    "transposed signal": (nn.ConvTranspose1D(4, 3, stride=2, output_padding=1), (12, 5)),
    "max pool, dilation": (nn.MaxPool2D((3, 2), stride=2, padding=1, dilation=(2, 1)), IMAGE),
    "max pool ceil": (nn.MaxPool2D(3, stride=4, ceil_mode=True, padding=1), IMAGE),
    "max pool ceil, dropped window": (
        nn.MaxPool2D(2, stride=(3, 4), ceil_mode=True, padding=((0, 1), (1, 0))),
        IMAGE,
    ),
    "max pool signal": (nn.MaxPool1D(3, stride=2, ceil_mode=True), (12, 5)),
    "average pool": (nn.AvgPool2D((3, 2), stride=2, padding=((1, 0), (0, 1))), IMAGE),
    "average pool ceil": (nn.AvgPool2D(3, stride=4, ceil_mode=True, padding=1), IMAGE),
    "average pool ceil, counted": (nn.AvgPool2D(3, stride=4, ceil_mode=True, padding=1, count_include_pad=True), IMAGE),
    "average pool dropped window": (
        nn.AvgPool2D((3, 2), stride=3, ceil_mode=True, padding=((1, 1), (0, 1)), count_include_pad=True),
        IMAGE,
    ),
    "average pool dilation": (nn.AvgPool2D(3, stride=2, dilation=2, padding=2), IMAGE),
    "average pool signal": (nn.AvgPool1D(3, stride=2, padding=1, count_include_pad=True), (12, 5)),
    "global average": (nn.GlobalAvgPool2D(), IMAGE),
    "global max": (nn.GlobalMaxPool2D(**FIRST), IMAGE),
    "global average signal": (nn.GlobalAvgPool1D(), SIGNAL),
    "global max signal": (nn.GlobalMaxPool1D(), SIGNAL),
    "batch norm": (nn.BatchNorm(), IMAGE),
    "batch norm channels_first": (nn.BatchNorm(eps=1e-5, **FIRST), IMAGE),
    "batch norm row": (nn.BatchNorm(), ROW),
    "group norm": (nn.GroupNorm(3), IMAGE),
    "group norm row": (nn.GroupNorm(3), ROW),
    "layer norm": (nn.LayerNorm(), IMAGE),
    "layer norm of each pixel": (nn.LayerNorm(eps=0.01, each_position=True), IMAGE),
    "layer norm of each pixel, channels first": (nn.LayerNorm(each_position=True, data_format="channels_first"), IMAGE),
    "instance norm": (nn.InstanceNorm(), SIGNAL),
    "response norm": (nn.LocalResponseNorm(3, 0.1, 0.7, 2), IMAGE),
    "response norm, k with a fraction": (nn.LocalResponseNorm(3, 0.1, 0.7, 1.5), IMAGE),
    "response norm, even size": (nn.LocalResponseNorm(4, 0.1, 0.7, 1, divide_by_size=True), IMAGE),
    "response norm row": (nn.LocalResponseNorm(4, 0.1), ROW),
    "response norm signal": (nn.LocalResponseNorm(3, 0.1, divide_by_size=True), SIGNAL),
    "pad reflect": (nn.Pad2D(((1, 0), (2, 3)), mode="reflect"), IMAGE),
    "pad edge": (nn.Pad2D(2, mode="edge"), IMAGE),
    "pad zeros": (nn.Pad2D(((1, 0), (2, 3))), IMAGE),
    "crop": (nn.Crop2D(((1, 0), (2, 3))), IMAGE),
    "crop channels_first": (nn.Crop2D(((1, 0), (2, 3)), **FIRST), (6, 11, 13)),
    "upsample nearest": (nn.Upsample2D((2, 3)), IMAGE),
    "upsample bilinear": (nn.Upsample2D((2, 3), mode="bilinear"), IMAGE),
    "adaptive pooling, equal parts": (nn.AdaptiveAvgPool2D((11, 1)), IMAGE),
    "adaptive pooling": (nn.AdaptiveAvgPool2D((4, 15)), IMAGE),
    "adaptive pooling channels_first": (nn.AdaptiveAvgPool2D((12, 5), **FIRST), (6, 11, 13)),
    "channel affine": (nn.ChannelAffine((2, -0.5, 1, 3, 0.25, -1), (0.5, 1, -2, 0, 3, 7)), IMAGE),
    "channel affine row": (nn.ChannelAffine((2, -0.5, 1), (0.5, 1, -2)), (3,)),
    "pad channels": (nn.PadChannels(9), IMAGE),
    "select": (nn.Select([3, 0]), IMAGE),
    "activations": (nn.Sequential(nn.ELU(0.5), nn.LeakyReLU(0.2), nn.Tanh(), nn.ReLU6(), nn.Dropout(0.5)), IMAGE),
    "sigmoid": (nn.Sequential(nn.Sigmoid()), ROW),
    "softmax of pixels": (nn.Sequential(nn.Conv2D(4, 1), nn.Softmax()), IMAGE),
    "stochastic depth": (nn.Sequential(RESIDUAL, nn.ReLU()), IMAGE),
    "concat": (
        nn.Concat(nn.Identity(), nn.Conv2D(3, 1), nn.Sum(nn.Conv2D(3, 1), nn.Conv2D(3, 1), nn.Conv2D(3, 1))),
        IMAGE,
    ),
    "concat channels_first": (nn.Concat(nn.Identity(), nn.Conv2D(3, 1, **FIRST), axis=0), IMAGE),
    "mean": (nn.Mean(nn.Identity(), nn.Conv2D(6, 1)), IMAGE),
    "graph": (_graph(), IMAGE),
    "fractal": (nn.DropPath(nn.Sequential(nn.Fractal(nn.Conv2D(6, 3, padding="same"), 3))), IMAGE),
    "heads": (
        nn.Heads(nn.Sequential(a=nn.Conv2D(3, 1), b=nn.Flatten(), c=nn.Dense(4)), a=nn.Flatten()),
        IMAGE,
    ),
    "p4": _p4(nn.P4BatchNorm(), nn.ReLU(), nn.P4MaxPool2D(2), nn.P4Conv2D(4, 3), nn.P4GroupPool()),
    "p4 mean": _p4(nn.P4Conv2D(4, 3, bias=False), nn.P4GroupPool("mean"), nn.GlobalAvgPool2D()),
    "p4 output": _p4(),
    "transposed and reshaped": (nn.Sequential(nn.Conv2D(4, 1), Transpose((1, 2, 0)), Reshape((26, 22)), nn.ReLU()), IMAGE),
    "padded and sliced": (
        nn.Sequential(nn.Conv2D(4, 1), Pad([(1, 0), (0, 2), (3, 1)], value=2), Slice([(2, 4, 2), (6, 7, -1), (5, 4, -1)])),
        IMAGE,
    ),
    "padded at edges": (nn.Sequential(Pad([(1, 0), (0, 2)], "edge"), Pad([(1, 0), (0, 2)], "reflect")), SIGNAL),
    "means over axes": (nn.Sequential(nn.Conv2D(4, 1), ReduceMean((0, 2))), IMAGE),
    "resized by matrices": (
        nn.Sequential(nn.Conv2D(4, 1), Resize([np.eye(11)[:5] + 0.25, None, None]), Resize([None, np.ones((2, 13)), None])),
        IMAGE,
    ),
    "arithmetic": (
        nn.Sequential(Shift((13, 1)), Scale((6,)), Clip(0.1, 2), Power(-1.5), Clip(most=20), nn.Conv2D(4, 1), Shift((4,))),
        IMAGE,
    ),
    "identity": (nn.Identity(), IMAGE),
    "flatten": (nn.Sequential(nn.Conv2D(3, 2), nn.Flatten(), nn.Dense(5)), IMAGE),
    "S-cells": (models.SCells(4, 3, padding="same"), IMAGE),
    "C-cells": (models.CCells(3, stride=2, padding="same"), IMAGE),
}
