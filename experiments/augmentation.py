"""Experiment: the cost of augmentation, in images per second.

The network is LeNet-5, because it has the shortest training steps.
"""

from experiments.experiment import Experiment
from experiments.lenet import train_lenet
from refconv import data

__all__ = ["EXPERIMENT"]


def speed(augment=None, ahead=False):
    """Return a variant that measures images per second.

    The result is the best of ten short epochs, because other programs slow some of them down.
    """

    def variant(settings):
        history = train_lenet(settings, epochs=10, augment=augment, ahead=ahead, images=6000)
        return {"images per second": max(epoch.images_per_second for epoch in history.epochs)}

    return variant


EXPERIMENT = Experiment(
    "augmentation",
    "Random changes of the images cost little time.",
    "A21",
    {
        "none": speed(),
        "shifted by up to 2 pixels": speed(data.augment.shift(2)),
        "distorted": speed(data.augment.distort()),
        "distorted, by a thread ahead": speed(data.augment.distort(), ahead=True),
    },
)
