"""08 · How training works: an update, a schedule, batch normalisation and smoothed labels."""

import numpy as np
from checking import SHOWN_ABOVE, checked, checked_function

from refconv import batch_norm_inference, conv2d, nn, optim, softmax_cross_entropy, verify


@checked_function("of theta, v, g and lr that returns two arrays, the new θ and v")
def check_1(step):
    """Check a step of AlexNet's update with a learning rate that changes between steps."""
    rng = np.random.default_rng(3)
    theta, v = rng.normal(size=4), np.zeros(4)
    parameter = nn.Parameter(theta.copy())
    reference = optim.SGD({"theta": parameter}, lr=0.1, momentum=0.9, weight_decay=0.0005)
    for k, lr in enumerate((0.1, 0.1, 0.01)):
        g = rng.normal(size=4)
        parameter.grad[...], reference.lr = g, lr
        reference.step()
        theta, v = step(theta, v, g, lr)
        message = f"step {k + 1}, learning rate {lr}: θ must be {parameter.value.round(5)}, got {np.round(theta, 5)}"
        assert np.allclose(theta, parameter.value, rtol=0, atol=1e-9), message


@checked("a number of epochs")
def check_2(epochs):
    """Check the number of epochs until Inception v3's learning rate is below a tenth."""
    schedule = optim.exponential(0.94, every=2, epochs=1000)
    assert epochs in range(1, 1000), f"the answer must be a whole number of epochs, got {epochs}"
    now, before = (schedule(epoch / 1000) for epoch in (epochs, epochs - 1))
    assert now < 0.1, f"after {epochs} epochs it is still {now:.3f} of its initial value"
    assert before >= 0.1, f"it is already below a tenth after {epochs - 1} epochs"


@checked("a function of x, gamma, beta and eps that returns y, mean and var")
def check_3(batch_norm):
    """Check a function that computes batch normalisation with whole arrays."""
    verdict = verify.check(batch_norm, "batch_norm", seconds=1)
    assert verdict, SHOWN_ABOVE


@checked_function("of w, gamma, beta, mean, var and eps that returns a kernel and a bias")
def check_4(folded):
    """Check the kernel and bias of a convolution that includes a batch normalisation."""
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(2, 5, 6, 3)), rng.normal(size=(3, 2, 3, 4))
    gamma, beta, mean, var = rng.normal(size=4), rng.normal(size=4), rng.normal(size=4), rng.uniform(0.5, 3, 4)
    new_w, new_b = folded(w, gamma, beta, mean, var, 1e-3)
    expected = batch_norm_inference(conv2d(x, w), gamma, beta, mean, var, eps=1e-3)
    result = conv2d(x, np.ascontiguousarray(new_w), np.ascontiguousarray(new_b))
    worst = np.abs(result - expected).max()
    assert worst < 1e-9, f"conv2d with your kernel and bias differs by up to {worst:.3g}"


@checked("a function of alpha and classes that returns a number")
def check_5(least_loss):
    """Check the smallest possible loss with smoothed labels."""
    for alpha, classes in ((0.1, 10), (0.3, 4), (0.1, 1000)):
        target = np.full((1, classes), alpha / classes)
        target[0, 0] += 1 - alpha
        expected, _ = softmax_cross_entropy(np.log(target), [0], label_smoothing=alpha)
        result = least_loss(alpha, classes)
        assert np.isclose(result, expected), f"with α = {alpha} and {classes} classes it must be {expected:.5f}, got {result}"
