"""Layers that are computed together: the one place that decides it.

A model says what it is, layer by layer; nobody who reads or builds one needs to know of this. When a ``Sequential`` runs, and
:func:`refconv.set_fusion` allows it, neighbours for which there is a kernel make one step:

- a convolution of few channels, ReLU and 2×2 max pooling: the outputs of the convolution never leave the caches, and the
  way back looks at winners alone;
- in inference, a convolution and its batch normalisation, with ReLU or without: values change where they lie;
- a convolution, a dense layer, a batch normalisation or a sum of branches with ReLU: negative values are cut where they
  lie, and the way back tells from the output where that was.

Parameters, gradients and values are those of the layers themselves.
"""

from refconv.nn import combinators
from refconv.nn.activation import ReLU
from refconv.nn.conv import Conv2D
from refconv.nn.dense import Dense
from refconv.nn.max_pool import MaxPool2D
from refconv.nn.norm import BatchNorm
from refconv.nn.separable import DepthwiseConv2D
from refconv.ops.activation import relu_dx
from refconv.ops.engine import get_fusion
from refconv.ops.fused import (
    batch_norm_inference_in_place,
    conv2d_relu_pool,
    conv2d_relu_pool_grads,
    pools_with,
    relu_in_place,
)
from refconv.ops.norm import batch_norm_inference_grads

__all__ = ["steps"]

CONVOLUTIONS = (Conv2D, DepthwiseConv2D)


def steps(layers, train):
    """What a ``Sequential`` of these layers runs one after the other: the layers, or what stands for several of them."""
    if not get_fusion():
        return layers
    found, left = [], list(layers)
    while left:
        step, count = _first_step(left, train)
        found.append(step)
        del left[:count]
    return found


def _first_step(layers, train):
    kinds = tuple(type(layer) for layer in layers[:3])  # exactly these: a class made from them may do something else
    if kinds == (Conv2D, ReLU, MaxPool2D) and _pool_together(layers[0], layers[2]):
        return _ConvReLUPool(layers[0]), 3
    if not train and kinds[0] in CONVOLUTIONS and kinds[1:2] == (BatchNorm,) and _channels_last(*layers[:2]):
        count = 3 if kinds[2:] == (ReLU,) else 2
        return _ConvNorm(layers[:count]), count
    if kinds[0] in (*CONVOLUTIONS, Dense, BatchNorm, combinators.Sum) and kinds[1:2] == (ReLU,):
        return _WithReLU(layers[0]), 2  # they make a new array, and do not look at it again
    return layers[0], 1


def _channels_last(*layers):
    return all(layer.data_format == "channels_last" for layer in layers)


def _pool_together(conv, pool):
    return (
        (pool.window.kernel, pool.window.stride, pool.window.dilation) == ((2, 2), (2, 2), (1, 1))
        and (pool.window.padding, pool.window.ceil_mode) == ("valid", False)
        and _channels_last(conv, pool)
        and pools_with(conv.window, conv["w"].value.shape[2], conv.groups)
    )


class _Step:
    """What stands for several layers."""

    def __call__(self, x):
        return self.forward(x, train=False)[0]


class _ConvReLUPool(_Step):
    def __init__(self, conv):
        self.conv = conv

    def forward(self, x, train=True):
        conv = self.conv
        w, b = conv["w"], conv["b"] if conv.bias else None
        y, winners = conv2d_relu_pool(x, w.value, None if b is None else b.value, conv.window)

        def backward(dy, want_dx=True):
            dx, dw, db = conv2d_relu_pool_grads(x, w.value, dy, winners, conv.window, want_dx)
            w.grad += dw
            if b is not None:
                b.grad += db
            return dx

        return y, backward


class _ConvNorm(_Step):
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x, train=False):
        conv, norm, *relu = self.layers
        gamma, beta = norm["gamma"], norm["beta"]
        mean, var = norm["mean"].value.copy(), norm["var"].value.copy()  # they may move on before the way back is taken
        sums, conv_back = conv.forward(x, train)
        y = batch_norm_inference_in_place(sums, gamma.value, beta.value, mean, var, norm.eps, bool(relu))

        def backward(dy, want_dx=True):
            sums, _ = conv.forward(x, train)  # once more, since y lies where they lay: few take the way back of inference
            dy = relu_dx(dy, y) if relu else dy
            dsums, dgamma, dbeta = batch_norm_inference_grads(dy, sums, gamma.value, mean, var, norm.eps)
            gamma.grad += dgamma
            beta.grad += dbeta
            return conv_back(dsums, want_dx)

        return y, backward


class _WithReLU(_Step):
    def __init__(self, layer):
        self.layer = layer

    def forward(self, x, train=True):
        y, way_back = self.layer.forward(x, train)
        y = relu_in_place(y)
        return y, lambda dy, want_dx=True: way_back(relu_dx(dy, y), want_dx)

    def __call__(self, x):
        return relu_in_place(self.layer(x))
