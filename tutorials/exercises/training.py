"""Checks and worked answers of notebook 08, how training works."""

import numpy as np
from lesson import checked, checked_function

from refconv import batch_norm_inference, conv2d, nn, optim, softmax_cross_entropy, verify


@checked_function
def check_1(step):
    """What is a step of AlexNet's update, when the learning rate changes on the way?"""
    rng = np.random.default_rng(3)
    theta, v = rng.normal(size=4), np.zeros(4)
    parameter = nn.Parameter(theta.copy())
    ours = optim.SGD({"theta": parameter}, lr=0.1, momentum=0.9, weight_decay=0.0005)
    for k, lr in enumerate((0.1, 0.1, 0.01)):
        g = rng.normal(size=4)
        parameter.grad[...], ours.lr = g, lr
        ours.step()
        theta, v = step(theta, v, g, lr)
        said = f"step {k + 1}, with the learning rate {lr}: θ is {parameter.value.round(5)}, and yours {np.round(theta, 5)}"
        assert np.allclose(theta, parameter.value, rtol=0, atol=1e-9), said


def answer_1(theta, v, g, lr):
    v = 0.9 * v - lr * (g + 0.0005 * theta)
    return theta + v, v


def mistake_1(theta, v, g, lr):
    """PyTorch's convention: the rate stands outside of the velocity, so a fall of it also slows what was gathered before."""
    v = 0.9 * v - (g + 0.0005 * theta)
    return theta + lr * v, v


@checked
def check_2(epochs):
    """After how many epochs is Inception v3's learning rate below a tenth?"""
    schedule = optim.exponential(0.94, every=2, epochs=1000)
    assert epochs in range(1, 1000), f"it should be a whole number of epochs, not {epochs}"
    now, before = (schedule(epoch / 1000) for epoch in (epochs, epochs - 1))
    assert now < 0.1, f"after {epochs} epochs it is still {now:.3f} of what it was"
    assert before >= 0.1, f"it is so already after {epochs - 1} epochs"


# 0.94ᵏ < 0.1 wants k > log 0.1 / log 0.94 = 37.2: the 38th fall, and each fall takes two epochs.
answer_2 = 2 * 38
mistake_2 = 2 * 15  # 15 · 6 % = 90 %: but each fall takes its 6 % of what is left


@checked
def check_3(batch_norm):
    """What is batch normalisation of (N, H, W, C) in whole arrays?"""
    verdict = verify.check(batch_norm, "batch_norm", seconds=1)
    assert verdict, "the smallest case in which it is wrong stands above"


def answer_3(x, gamma, beta, eps=1e-3):
    axes = tuple(range(x.ndim - 1))  # all but the channels: the examples of a dense layer, and the pixels too (A16)
    mean, var = x.mean(axes), x.var(axes)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


def mistake_3(x, gamma, beta, eps=1e-3):
    """Each pixel for itself, over the batch alone: then the layer no longer does the same at each position."""
    mean, var = x.mean(0), x.var(0)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta, mean, var


@checked_function
def check_4(folded):
    """How does a trained batch normalisation disappear into the convolution before it?"""
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(2, 5, 6, 3)), rng.normal(size=(3, 2, 3, 4))
    gamma, beta, mean, var = rng.normal(size=4), rng.normal(size=4), rng.normal(size=4), rng.uniform(0.5, 3, 4)
    new_w, new_b = folded(w, gamma, beta, mean, var, 1e-3)
    expected = batch_norm_inference(conv2d(x, w), gamma, beta, mean, var, eps=1e-3)
    got = conv2d(x, np.ascontiguousarray(new_w), np.ascontiguousarray(new_b))
    worst = np.abs(got - expected).max()
    assert worst < 1e-9, f"conv2d with your kernel and bias is off by up to {worst:.3g}"


def answer_4(w, gamma, beta, mean, var, eps):
    factor = gamma / np.sqrt(var + eps)  # one for each output channel, the kernel's last axis
    return w * factor, beta - mean * factor


def mistake_4(w, gamma, beta, mean, var, eps):
    """The mean was taken behind the convolution, so it is scaled as well."""
    return w * gamma / np.sqrt(var + eps), beta - mean


@checked
def check_5(least_loss):
    """How low can the loss of smoothed labels be?"""
    for alpha, classes in ((0.1, 10), (0.3, 4), (0.1, 1000)):
        target = np.full((1, classes), alpha / classes)
        target[0, 0] += 1 - alpha
        expected, _ = softmax_cross_entropy(np.log(target), [0], label_smoothing=alpha)
        got = least_loss(alpha, classes)
        assert np.isclose(got, expected), f"with α = {alpha} and {classes} classes it is {expected:.5f}, not {got}"


def answer_5(alpha, classes):
    # −Σ t log p is least where p = t; then it is the entropy of t.
    right, other = 1 - alpha + alpha / classes, alpha / classes
    return -right * np.log(right) - (classes - 1) * other * np.log(other)


def mistake_5(alpha, classes):
    """The right class alone; but the others are asked for as well."""
    right = 1 - alpha + alpha / classes
    return -np.log(right)
