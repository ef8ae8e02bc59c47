"""LeNet-5's training step, with the same weights, batches and optimiser in each library."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np

from benchmarks.problem import Problem
from benchmarks.side import Side
from refconv import data, models, optim
from refconv.training import train_step

SHAPE = (32, 32, 1)
BATCHES = 16
SGD = dict(lr=0.01, momentum=0.9, weight_decay=5e-4)


@dataclass(frozen=True)
class LeNetStep(Problem):
    """Training steps of LeNet-5 on consecutive batches; the first batch's loss is compared.

    A step consists of the forward pass, the loss, the backward pass and the update.
    """

    batch_size: int
    dtype: str = "float32"

    def draw(self, work):
        images, labels = data.draw_digits(BATCHES * self.batch_size, seed=1)
        batches = data.Batches(images, labels, self.batch_size, shuffle=False, prepare=data.lenet_input)
        x, y = zip(*batches, strict=True)
        return dict(x=np.stack(x), labels=np.stack(y))

    def refconv(self, work, a):
        model, batches = lenet(), cycle(list(zip(a["x"], a["labels"], strict=True)))
        optimizer = optim.SGD(model, **SGD)
        return Side(lambda: train_step(model, optimizer, *next(batches))[0])

    def torch(self, work, a, layout):
        import torch

        net = torch_network(lenet()).to(memory_format=getattr(torch, layout.name))
        optimizer = torch.optim.SGD(net.parameters(), **SGD)
        tensors = [(layout.image(x), torch.from_numpy(y.astype(int))) for x, y in zip(a["x"], a["labels"], strict=True)]
        batches = cycle(tensors)

        def step():
            x, y = next(batches)
            loss = torch.nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        return Side(step)

    def jax(self, work, a):
        import jax

        values = [jax.numpy.asarray(p.value) for p in lenet().named_parameters().values()]
        state = [values, [jax.numpy.zeros_like(value) for value in values]]
        batches = cycle([(jax.numpy.asarray(x), jax.numpy.asarray(y)) for x, y in zip(a["x"], a["labels"], strict=True)])

        @jax.jit
        def update(values, velocities, x, y):
            loss, grads = jax.value_and_grad(jax_loss)(values, x, y)
            grads = [g + SGD["weight_decay"] * w for g, w in zip(grads, values, strict=True)]
            velocities = [SGD["momentum"] * v + g for v, g in zip(velocities, grads, strict=True)]
            return [w - SGD["lr"] * v for w, v in zip(values, velocities, strict=True)], velocities, loss

        def step():
            *state[:], loss = update(*state, *next(batches))
            return float(loss)

        return Side(step)

    def flops(self, work, a, results):
        """Return the number of floating-point operations of a step.

        y, ∂x and ∂w need the same number of multiply-adds; the first layer has no ∂x.
        """
        model = models.lenet()
        first = 28 * 28 * 6 * 25
        return 2 * self.batch_size * (3 * model.multiply_adds(SHAPE) - first)

    def bytes(self, work, a, results):
        """Return the number of bytes of one batch, the weights, the gradients and the velocities.

        Activations between layers are not counted, because they can stay in the cache.
        """
        return a["x"][0].nbytes + 3 * sum(p.value.nbytes for p in lenet().named_parameters().values())

    def small(self):
        return replace(self, batch_size=2)


def lenet():
    """Return LeNet-5 with the initial weights that all libraries use."""
    model = models.lenet()
    model.build(SHAPE, rng=1)
    return model


def torch_network(source):
    """Return LeNet-5 in PyTorch, with the weights of a refconv model."""
    import torch

    nn = torch.nn
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    values = [p.value for p in source.named_parameters().values()]
    values[4] = values[4].reshape(5, 5, 16, 120).transpose(2, 0, 1, 3).reshape(400, 120)  # PyTorch flattens channels first
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim]
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value.transpose(order))))
    return net


def jax_loss(values, x, labels):
    """Return the mean cross-entropy of LeNet-5, computed with JAX."""
    import jax
    from jax import lax

    def conv_relu_pool(x, w, b):
        y = jax.nn.relu(b + lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")))
        return lax.reduce_window(y, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    y = conv_relu_pool(x, *values[:2])
    y = conv_relu_pool(y, *values[2:4])
    y = jax.nn.relu(y.reshape(len(x), -1) @ values[4] + values[5])
    y = jax.nn.relu(y @ values[6] + values[7])
    scores = jax.nn.log_softmax(y @ values[8] + values[9])
    return -jax.numpy.take_along_axis(scores, labels[:, None], 1).mean()
