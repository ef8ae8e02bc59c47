"""Training steps of networks, with the same weights and optimiser in each library."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.problem import Problem, normal
from benchmarks.problems.network import torch_module
from benchmarks.side import Side
from refconv import models, nn, optim
from refconv.nn.layer import all_layers
from refconv.training import train_step

# The learning rate is so small that the weights hardly change while steps are timed.
SGD = dict(lr=1e-5, momentum=0.9, weight_decay=5e-4)


@dataclass(frozen=True)
class TrainingStep(Problem):
    """Training steps of a network on one batch of random images, with random labels.

    A step consists of the forward pass, the cross-entropy, the backward pass and the update. The loss and the gradient of the
    last weights are compared. In float64, the gradient of the first weights is also compared: in float32, its rounding errors
    depend on the order of sums in all layers. Dropout is switched off, because the libraries draw different random numbers.
    """

    model: str
    images: int
    side: int
    dtype: str = "float32"

    @property
    def shape(self):
        """Shape of one image."""
        return self.side, self.side, models.input_shape(self.model)[-1]

    def draw(self, work):
        *positions, classes = models.create(self.model).output_shape(self.shape)
        labels = np.random.default_rng(2).integers(classes, size=(self.images, *positions))
        return normal(self.dtype, x=(self.images, *self.shape)) | {"labels": labels}

    def refconv(self, work, a):
        model = built(self.model, self.shape, self.dtype)
        optimizer = optim.SGD(model, **SGD)
        weights = self.compared([p for p in model.named_parameters().values() if p.value.ndim > 1])

        def read(loss):
            return [np.asarray(loss), *(weight.grad.copy() for weight in weights)]

        return Side(lambda: train_step(model, optimizer, a["x"], a["labels"])[0], read)

    def torch(self, work, a, layout):
        import torch

        net = in_dtype(self.dtype, torch_module, built(self.model, self.shape, self.dtype), self.shape).train()
        net = net.to(memory_format=getattr(torch, layout.name))
        optimizer = torch.optim.SGD(net.parameters(), **SGD)
        weights = self.compared([p for p in net.parameters() if p.ndim > 1])
        x, labels = layout.image(a["x"]), torch.from_numpy(a["labels"])

        def step():
            loss = torch.nn.functional.cross_entropy(net(x), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        def read(loss):
            orders = {4: (2, 3, 1, 0), 2: (1, 0)}
            return [np.asarray(loss), *(w.grad.permute(orders[w.ndim]).numpy().copy() for w in weights)]

        return Side(step, read)

    def compared(self, weights):
        """Return the weights whose gradients are compared."""
        return weights[-1:] if self.dtype == "float32" else [weights[0], weights[-1]]

    def flops(self, work, a, results):
        """Return the number of floating-point operations of a step.

        y, ∂x and ∂w need the same number of multiply-adds; the first layer has no ∂x.
        """
        model = models.create(self.model)
        layers = ((layer, shape) for _, layer, shape in model.distinct_layers(self.shape) if not any(layer.named_layers()))
        first = next(count for count in (layer.multiply_adds(shape) for layer, shape in layers) if count)
        return 2 * self.images * (3 * model.multiply_adds(self.shape) - first)

    def bytes(self, work, a, results):
        """Return the number of bytes of the batch, the weights, the gradients and the velocities.

        Activations between layers are not counted, because they can stay in the cache.
        """
        weights = models.create(self.model).count_parameters(self.shape, trainable_only=True)
        return a["x"].nbytes + a["labels"].nbytes + 3 * weights * np.dtype(self.dtype).itemsize

    def small(self):
        """Return the same step for few small images.

        Few elements per channel amplify rounding errors in batch normalisation, so the arrays are of float64.
        """
        return replace(self, images=4, side=min(self.side, 64), dtype="float64")


def built(name, shape, dtype):
    """Return the network with its initial weights and without dropout."""
    model = models.create(name)
    model.build(shape, rng=1, dtype=dtype)
    for layer in all_layers(model):
        if isinstance(layer, nn.Dropout):
            layer.freeze()
    return model


def in_dtype(dtype, function, *arguments):
    """Call a function that creates PyTorch modules with this type of parameters."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        return function(*arguments)
    finally:
        torch.set_default_dtype(before)
