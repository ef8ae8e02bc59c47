"""Rows of layers that compute one operator.

They use the cases of the operator, and are defined by its output and its derivatives.
"""

from dataclasses import replace

import numpy as np

import refconv
from refconv import nn
from refconv.verify.case import Case
from refconv.verify.catalogue.layer_functions import backward, forward
from refconv.verify.catalogue.operators import OPERATORS
from refconv.verify.operator import Derivative, Operator, Pin

__all__ = ["LAYERS"]


def layer(name, operator, make, takes=lambda case: True, **changes):
    """Return the row of the layer ``make(cls, a)``.

    ``takes(case)`` returns True for the cases of the operator that the layer accepts.
    """
    operator = OPERATORS[operator]

    def is_accepted(case):
        return len(case.shapes["x"]) > 0 and takes(case)

    entry = Operator(
        name=f"nn.{name}",
        family=operator.family,
        ids=operator.ids,
        formula=operator.formula,
        forward=lambda cls, a: forward(make(cls, a), a),
        derivatives=(Derivative(f"nn.{name}", (), lambda cls, a: backward(make(cls, a), a)),),
        fixed=tuple(filter(is_accepted, operator.fixed)),
        cases=lambda: operator.cases().filter(is_accepted),
        nature=operator.nature,
        slack=operator.slack,
        pins=operator.pins,
        draws=12,
        definition=operator.results,
        like=operator.name,
    )
    return replace(entry, **changes)


def on_axes(name, operator, make, **changes):
    """Return the rows of a layer for signals and of the same layer for images."""
    return tuple(layer(name.format(ndim), operator.format(ndim), make, **changes) for ndim in (1, 2))


def kernels(cls, a):
    """Return a convolution layer with weights in the shape of a.w: (kh, kw, C / groups, O)."""
    return cls(a.w.shape[-1], a.w.shape[:-2], **a.options)


def transposed_kernels(cls, a):
    """Return a transposed convolution with weights in the shape of a.w: (kh, kw, O / groups, C)."""
    return cls(a.w.shape[-2] * a.options.get("groups", 1), a.w.shape[:-2], **a.options)


def separate_kernels(cls, a):
    """Return a separable convolution with weights in the shapes of a.depthwise and a.pointwise."""
    return cls(a.pointwise.shape[-1], a.depthwise.shape[:2], a.depthwise.shape[-1], **a.options)


def square_kernels(cls, a):
    """Return a p4 convolution layer whose weights have the shape of a.w."""
    return cls(a.w.shape[-1], a.w.shape[0], **a.options)


def options(cls, a):
    """Return a layer that has only options."""
    return cls(**a.options)


def norm_definition(a):
    """Return the results in training, or in inference if the case has running averages."""
    return OPERATORS["batch_norm_inference" if "mean" in a.arrays else "batch_norm"].results(a)


def in_inference(case):
    """Return the same case in inference mode."""
    return replace(case, given={**case.given, "train": False})


def dropout_twice(cls, a):
    """Return a dropout layer used twice; the second use continues the generator of the first."""
    dropout = cls(float(a.rate), a.seed)
    return nn.Concat(dropout, dropout)


def dropout_cases():
    """Return the cases of dropout whose arrays have at least two axes, to concatenate outputs."""
    return OPERATORS["dropout"].cases().filter(lambda case: len(case.shapes["x"]) > 1)


def two_masks(a):
    """Return the results of two passes of dropout with one generator, or x twice in inference."""
    if not a.given.get("train", True):
        return {"y": np.concatenate([a.x, a.x], -1), "x": sum(np.split(a.dy, 2, -1))}
    rng = np.random.default_rng(a.seed)
    outputs, masks = zip(*(refconv.dropout(a.x, float(a.rate), rng) for _ in range(2)), strict=True)
    parts = map(np.ascontiguousarray, np.split(a.dy, 2, -1))
    gradients = [refconv.dropout_dx(dy, mask=mask) for dy, mask in zip(parts, masks, strict=True)]
    return {"y": np.concatenate(outputs, -1), "x": sum(gradients)}


# Without options: √(0.0015 + 0.001) = 0.05, so the output is 10 · (0.4 − 0.1) / 0.05 + 7.
EPS_OF_BATCH_NORM = Pin(
    "ε is 0.001",
    {"x": [[0.4]], "gamma": [10], "beta": [7], "mean": [0.1], "var": [0.0015], "dy": [[1]]},
    {"y": [[67]]},
    given={"train": False},
)
DROPOUT = Case({"x": (2, 4)}, given={"rate": 0.4, "seed": 4})

LAYERS = (
    *on_axes("Conv{}D", "conv{}d", kernels),
    *on_axes("ConvTranspose{}D", "conv_transpose{}d", transposed_kernels),
    layer("DepthwiseConv2D", "depthwise_conv2d", lambda cls, a: cls(a.w.shape[:2], a.w.shape[-1], **a.options)),
    layer("SeparableConv2D", "separable_conv2d", separate_kernels),
    layer("P4ConvLift2D", "p4_lift_conv2d", square_kernels, draws=6),
    layer("P4Conv2D", "p4_conv2d", square_kernels, draws=6),
    *on_axes("MaxPool{}D", "max_pool{}d", lambda cls, a: cls(a.kernel_size, **a.options)),
    *on_axes("AvgPool{}D", "avg_pool{}d", lambda cls, a: cls(a.kernel_size, **a.options)),
    *on_axes("GlobalAvgPool{}D", "global_avg_pool{}d", options),
    layer("Pad2D", "pad", lambda cls, a: cls(a.padding, **a.options), lambda case: len(case.shapes["x"]) == 4),
    layer("Upsample2D", "upsample2d", lambda cls, a: cls(a.scale, **a.options)),
    layer("AdaptiveAvgPool2D", "adaptive_avg_pool2d", lambda cls, a: cls(a.output_size, **a.options)),
    layer(
        "BatchNorm",
        "batch_norm",
        options,
        ids="A13, A15–A17",
        fixed=(*OPERATORS["batch_norm"].fixed, *map(in_inference, OPERATORS["batch_norm_inference"].fixed)),
        cases=lambda: OPERATORS["batch_norm"].cases() | OPERATORS["batch_norm_inference"].cases().map(in_inference),
        definition=norm_definition,
        like=None,
        worked=(EPS_OF_BATCH_NORM,),
    ),
    layer("GroupNorm", "group_norm", options),
    layer("LayerNorm", "layer_norm", options),
    layer("InstanceNorm", "instance_norm", options),
    layer("LocalResponseNorm", "local_response_norm", options),
    layer(
        "Dropout",
        "dropout",
        dropout_twice,
        nature="smooth",
        fixed=(DROPOUT, in_inference(DROPOUT), Case({"x": (2, 3)}, given={"rate": 0.0, "seed": 5})),
        cases=lambda: dropout_cases() | dropout_cases().map(in_inference),
        definition=two_masks,
        like=None,
    ),
    layer("ReLU", "relu", options),
    layer("ReLU6", "relu6", options),
    layer("LeakyReLU", "leaky_relu", options),
    layer("ELU", "elu", options),
    layer("Sigmoid", "sigmoid", options),
    layer("Tanh", "tanh", options),
    layer("Dense", "dense", lambda cls, a: cls(a.w.shape[-1])),
    layer("Softmax", "softmax", options),
)
