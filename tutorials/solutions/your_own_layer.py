"""Worked answers to the exercises of notebook 13, and mistakes that are easily made."""

import numpy as np

from refconv import nn, sigmoid


def answer_1(dy, x):
    return dy * sigmoid(x)


def mistake_1(dy, x):
    return dy / (1 + np.exp(x))  # the sign in the exponent: this is 1 − σ


class answer_2(nn.Layer):  # noqa: N801 named like all answers
    def specs(self, shape):
        return {"s": nn.Spec(shape[-1:], nn.ones)}

    def forward(self, x, train=True):
        s = self.parameters["s"]

        def backward(dy):
            s.grad += (dy * x).sum(tuple(range(x.ndim - 1)))
            return dy * s.value

        return x * s.value, backward


class mistake_2(answer_2):  # noqa: N801
    def forward(self, x, train=True):
        s = self.parameters["s"]

        def backward(dy):
            s.grad += (dy * x).mean(tuple(range(x.ndim - 1)))  # must be the sum: each pixel contributes
            return dy * s.value

        return x * s.value, backward


def answer_3(shape):
    h, w, c = shape
    return h // 2, w // 2, 4 * c


def mistake_3(shape):
    h, w, c = shape
    return h // 2, w // 2, 2 * c  # a factor of 2 along each axis makes 4


def answer_4(shape, span):
    (first, last), columns = span
    return (shape[0] - 1 - last, shape[0] - 1 - first), columns


def mistake_4(shape, span):
    (first, last), columns = span
    return (shape[0] - 1 - first, shape[0] - 1 - last), columns  # first and last row must be exchanged
