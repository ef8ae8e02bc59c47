"""Experiment: larger batches with larger learning rates, with and without a warm-up.

Several machines share a batch, so their batch is often larger, and the steps are fewer. The linear rule multiplies the rate by
the same factor as the batch. In the first epoch, the rate rises from 0, because such a rate is too large for the initial
weights (Goyal et al., 2017).
"""

from experiments.experiment import Experiment
from experiments.lenet import train_lenet
from refconv import optim
from refconv.training import Diverged

__all__ = ["EXPERIMENT"]

BATCH, LR, EPOCHS = 64, 0.05, 5


def error_with(factor, lr_factor, warm_up):
    """Return a variant that measures the test error with a larger batch and rate."""

    def variant(settings):
        epochs = 2 if settings.quick else EPOCHS
        schedule = optim.warm_up(1 / epochs) if warm_up else optim.cosine
        try:
            history = train_lenet(settings, epochs=epochs, batch=BATCH * factor, lr=LR * lr_factor, schedule=schedule)
        except Diverged:
            return {"test error, %": float("nan")}
        return {"test error, %": 100 * (1 - history.test.accuracy)}

    return variant


def variants(factors):
    """Yield name and function of each variant."""
    yield f"{BATCH} images, rate {LR}", error_with(1, 1, False)
    for factor in factors:
        for lr_factor, warm_up in ((1, False), (factor, False), (factor, True)):
            rate = f"{BATCH * factor} images, rate {LR * lr_factor:g}"
            yield rate + ", warm-up" * warm_up, error_with(factor, lr_factor, warm_up)


EXPERIMENT = Experiment(
    "batch-size",
    "k times the batch needs k times the learning rate, and a warm-up.",
    "A12, A20",
    dict(variants((4, 16))),
)
