"""Experiment: LeNet-5 on MNIST reaches the lecture's test error of 0.8 %.

With distorted images, the error is smaller.
"""

from experiments.experiment import Experiment, mnist, ordered_batches
from refconv import data, models, optim
from refconv.training import fit

__all__ = ["EXPERIMENT", "train_lenet"]


def train_lenet(settings, *, epochs, augment=None, ahead=False, images=None, batch=64, lr=0.05, schedule=optim.cosine):
    """Train LeNet-5 on MNIST, or on its first images, and return the history.

    The momentum is 0.9. With ``ahead``, a thread prepares the next batch.
    """
    model, seed = models.lenet(), settings.seed
    model.build(models.input_shape("lenet"), rng=[seed, 0])
    training, test = mnist("train", settings.quick, 2000), mnist("test", settings.quick, 500)
    batches = data.Batches(
        *(part[:images] for part in training), batch, rng=[seed, 1], prepare=data.lenet_input, augment=augment
    )
    if ahead:
        batches = data.Prefetch(batches)
    optimizer = optim.SGD(model, lr, momentum=0.9, weight_decay=5e-4)
    return fit(model, batches, optimizer, epochs=epochs, test=ordered_batches(test), schedule=schedule)


def error_after(epochs, augment=None):
    """Return a variant that measures the test error after this number of epochs."""

    def variant(settings):
        history = train_lenet(settings, epochs=min(epochs, 2) if settings.quick else epochs, augment=augment)
        return {"test error, %": 100 * (1 - history.test.accuracy)}

    return variant


EXPERIMENT = Experiment(
    "lenet",
    "LeNet-5 misclassifies 0.8 % of MNIST's test digits.",
    "M2, A21",
    {
        "1 epoch": error_after(1),
        "12 epochs": error_after(12),
        "20 epochs, distorted digits": error_after(20, data.augment.distort()),
    },
)
