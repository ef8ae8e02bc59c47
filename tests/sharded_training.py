"""Network, data and training on shards, for tests."""

import numpy as np

from refconv import nn, optim
from refconv.data import Batches
from refconv.training import fit

LABELS = np.arange(50) % 3


def images(n=50):
    return np.random.default_rng(2).standard_normal((n, 7, 6, 2)).astype(np.float32)


def network(*, seed=0, dtype=np.float32):
    model = nn.Sequential(
        conv=nn.Conv2D(5, 3),
        norm=nn.BatchNorm(),
        relu=nn.ReLU(),
        flatten=nn.Flatten(),
        drop=nn.Dropout(0.4),
        scores=nn.Dense(3),
    )
    model.build((7, 6, 2), rng=seed, dtype=dtype)
    return model


def noise(x, rng):
    return x + rng.standard_normal(x.shape).astype(x.dtype)


def batches(size=12, **options):
    return Batches(images(), LABELS, size, **{"rng": 3, "augment": noise, **options})


def train(
    communicator=None, *, shards=4, sync_bn=False, dtype=np.float32, lr=0.05, callbacks=(), epochs=2, model=None, **options
):
    """Train with batch normalisation, dropout and augmentation; return network and history."""
    model = network(dtype=dtype) if model is None else model
    history = fit(
        model,
        batches(prepare=lambda x: x.astype(dtype), **options),
        optim.SGD(model, lr, momentum=0.9),
        epochs=epochs,
        validation=Batches(images(), LABELS, 8, shuffle=False, prepare=lambda x: x.astype(dtype)),
        clip_norm=0.5,
        callbacks=callbacks,
        shards=shards,
        sync_bn=sync_bn,
        communicator=communicator,
    )
    return model, history


def values(model):
    return {name: parameter.value.copy() for name, parameter in model.named_parameters().items()}


def assert_same(a, b):
    for name, value in values(a).items():
        np.testing.assert_array_equal(value, b.named_parameters()[name].value, err_msg=name)


class Sometimes(nn.Layer):
    """Batch normalisation that is left out whenever a function returns True."""

    def __init__(self, is_left_out):
        self.norm, self.is_left_out = nn.BatchNorm(), is_left_out

    def output_shape(self, shape):
        return shape

    def named_layers(self):
        yield "norm", self.norm

    def children(self, shape):
        yield "norm", self.norm, shape

    def forward(self, x, train=True):
        return (x, lambda dy, want_dx=True: dy) if self.is_left_out() else self.norm.forward(x, train)

    def __repr__(self):
        return "Sometimes()"  # the same in all processes
