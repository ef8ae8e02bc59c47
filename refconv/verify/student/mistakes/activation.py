"""Mistakes in activation functions and their derivatives."""

from __future__ import annotations

import numpy as np

from refconv.verify.student.mistakes.mistake import Mistake

__all__ = ["MISTAKES"]


def backward(*mistakes):
    """Return the given mistakes of one derivative, followed by the mistakes common to all."""
    return (
        *mistakes,
        Mistake("the factor ∂e/∂y is missing: the derivative must be multiplied by it", lambda a: a(dy=np.ones_like(a.dy))),
        Mistake("∂e/∂y is returned unchanged", lambda a: a.dy),
        Mistake("the sign is wrong", lambda a: -a()),
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def at_zero(value):
    """Return the mistake of another derivative where x is 0."""
    return lambda a: np.where(a.x == 0, value(a) * a.dy, a())


WRONG_SIDE = "the slope is on the wrong side: it belongs to x < 0"

MISTAKES = {
    "relu": (
        Mistake("negative values are kept and positive values become 0", lambda a: np.minimum(a.x, 0)),
        Mistake("negative values change their sign; they should become 0", lambda a: np.abs(a.x)),
        Mistake("values below 1 become 0; the kink is at 0", lambda a: np.where(a.x > 1, a.x, 0)),
        Mistake("the result is the derivative, 0 or 1", lambda a: (a.x > 0).astype(float), lambda a: (a.x >= 0).astype(float)),
    ),
    "relu_dx": backward(
        Mistake("the derivative at 0 is 1; by convention it is 0 there (x > 0, not x ≥ 0)", at_zero(lambda a: 1)),
        Mistake("the derivative at 0 is ½; by convention it is 0 there", at_zero(lambda a: 0.5)),
        Mistake("the sign of ∂e/∂y decides; it should be the sign of x", lambda a: np.where(a.dy > 0, a.dy, 0)),
        Mistake(
            "∂e/∂y is passed on for negative inputs; it should be for positive inputs", lambda a: np.where(a.x < 0, a.dy, 0)
        ),
        Mistake("∂e/∂y is multiplied by relu(x) instead of its derivative", lambda a: a.dy * np.maximum(a.x, 0)),
    ),
    "relu6": (
        Mistake("large values are kept; the output should be at most 6", lambda a: np.maximum(a.x, 0)),
        Mistake("negative values are kept; they should become 0", lambda a: np.minimum(a.x, 6)),
        Mistake("values above 6 become 0; they should become 6", lambda a: np.where((a.x > 0) & (a.x <= 6), a.x, 0)),
        Mistake("the limit is 1; it should be 6", lambda a: np.clip(a.x, 0, 1)),
        Mistake("the output is between −6 and 6; negative values should become 0", lambda a: np.clip(a.x, -6, 6)),
    ),
    "relu6_dx": backward(
        Mistake("the derivative at 0 is 1; by convention it is 0 there (x > 0, not x ≥ 0)", at_zero(lambda a: 1)),
        Mistake(
            "the derivative at 6 is 1; by convention it is 0 there (x < 6, not x ≤ 6)",
            lambda a: np.where(a.x == 6, a.dy, a()),
        ),
        Mistake("∂e/∂y is passed on for inputs above 6, where the output is constant", lambda a: np.where(a.x > 0, a.dy, 0)),
        Mistake("∂e/∂y is passed on for negative inputs, where the output is constant", lambda a: np.where(a.x < 6, a.dy, 0)),
    ),
    "leaky_relu": (
        Mistake(WRONG_SIDE, lambda a: np.where(a.x > 0, a.slope * a.x, a.x)),
        Mistake("the slope is ignored: negative values become 0", lambda a: np.maximum(a.x, 0)),
        Mistake(
            "the slope is subtracted from negative values; it should be a factor",
            lambda a: np.where(a.x > 0, a.x, a.x - a.slope),
        ),
        Mistake("negative values become the slope itself; it should be a factor", lambda a: np.where(a.x > 0, a.x, a.slope)),
        Mistake("the slope has the wrong sign", lambda a: np.where(a.x > 0, a.x, -a.slope * a.x)),
    ),
    "leaky_relu_dx": backward(
        Mistake(WRONG_SIDE, lambda a: a.dy * np.where(a.x > 0, a.slope, 1)),
        Mistake("the derivative at 0 is 1; by convention it is the slope there (x > 0, not x ≥ 0)", at_zero(lambda a: 1)),
        Mistake("the slope is ignored: the derivative is 0 for negative inputs", lambda a: a.dy * (a.x > 0)),
        Mistake(
            "∂e/∂y is multiplied by leaky_relu(x) instead of its derivative",
            lambda a: a.dy * np.where(a.x > 0, a.x, a.slope * a.x),
        ),
    ),
    "elu": (
        Mistake("α is ignored", lambda a: a(alpha=1)),
        Mistake(
            "the 1 is not subtracted: below 0 the output is α · (eˣ − 1)",
            lambda a: np.where(a.x > 0, a.x, a.alpha * np.exp(a.x)),
        ),
        Mistake(
            "1 is subtracted outside the brackets: below 0 the output is α · (eˣ − 1)",
            lambda a: np.where(a.x > 0, a.x, a.alpha * np.exp(a.x) - 1),
        ),
        Mistake(
            "the exponential is on the wrong side: it belongs to x < 0",
            lambda a: np.where(a.x > 0, a.alpha * np.expm1(a.x), a.x),
        ),
    ),
    "elu_dx": backward(
        Mistake("the derivative at 0 is 1; by convention it is α there (x > 0, not x ≥ 0)", at_zero(lambda a: 1)),
        Mistake("α is ignored", lambda a: a(alpha=1)),
        Mistake(
            "below 0 the factor is α · (eˣ − 1), as in elu itself; the derivative is α · eˣ",
            lambda a: a.dy * np.where(a.x > 0, 1, a.alpha * np.expm1(a.x)),
        ),
    ),
    "sigmoid": (
        Mistake("the sign of x is wrong: the sigmoid is 1 / (1 + e⁻ˣ)", lambda a: sigmoid(-a.x)),
        Mistake("the 1 in the denominator is forgotten", lambda a: np.exp(a.x)),
        Mistake("the function is the hyperbolic tangent", lambda a: np.tanh(a.x)),
    ),
    "sigmoid_dx": backward(
        Mistake(
            "the sigmoid is applied twice: the argument y is already the output of the sigmoid",
            lambda a: a.dy * sigmoid(a.y) * (1 - sigmoid(a.y)),
        ),
        Mistake("x is used in place of the output y: the derivative is y · (1 − y)", lambda a: a.dy * a.x * (1 - a.x)),
        Mistake("the factor (1 − y) is missing", lambda a: a.dy * a.y),
        Mistake("the factor y is missing", lambda a: a.dy * (1 - a.y)),
        Mistake("the result is the derivative of tanh", lambda a: a.dy * (1 - a.y * a.y)),
    ),
    "tanh": (
        Mistake("the function is the sigmoid", lambda a: sigmoid(a.x)),
        Mistake("the sign of x is wrong", lambda a: np.tanh(-a.x)),
        Mistake("x is not doubled in (e²ˣ − 1) / (e²ˣ + 1)", lambda a: np.tanh(a.x / 2)),
    ),
    "tanh_dx": backward(
        Mistake(
            "tanh is applied twice: the argument y is already the output of tanh", lambda a: a.dy * (1 - np.tanh(a.y) ** 2)
        ),
        Mistake("x is used in place of the output y: the derivative is 1 − y²", lambda a: a.dy * (1 - a.x * a.x)),
        Mistake("y is not squared: the derivative is 1 − y²", lambda a: a.dy * (1 - a.y)),
        Mistake("the result is the derivative of the sigmoid", lambda a: a.dy * a.y * (1 - a.y)),
    ),
}
