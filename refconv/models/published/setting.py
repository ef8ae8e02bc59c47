"""Settings of training as data: what a paper prints, where, and the value that a run takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["NOT_STATED", "Call", "Setting", "Training", "call"]

NOT_STATED = "not stated"


class Call(NamedTuple):
    """Name of a function or class of refconv, and its arguments."""

    name: str
    arguments: dict[str, Any]


def call(name: str, **arguments: Any) -> Call:
    """Return a name with arguments.

    >>> call("SGD", momentum=0.9)
    Call(name='SGD', arguments={'momentum': 0.9})
    """
    return Call(name, arguments)


class Setting(NamedTuple):
    """One setting of a paper.

    Parameters
    ----------
    printed : str
        The setting in words, or "not stated".
    source : str
        The slide, or the section of the paper if the slides are silent; "" if it is not stated.
    value : object
        What a run takes: a number, a :class:`Call`, or a tuple of them.
    note : str
        How the run differs from the printed setting, or why it takes a value that is not stated.
    """

    printed: str
    source: str
    value: Any
    note: str = ""


class Training(NamedTuple):
    """Training settings of one paper, from the batch size to the evaluation and the accuracy.

    Parameters
    ----------
    name : str
        Name of the settings.
    network : str
        Name of the network in :func:`refconv.models.names` to which the accuracy belongs.
    paper : str
        Authors, title and year.
    batch_size, epochs : Setting
        Their values are integers.
    optimizer : Setting
        Its value is the name of a class in :mod:`refconv.optim` with arguments.
    learning_rate, weight_decay : Setting
        Their values are numbers: α at the start, and λ.
    schedule : Setting
        Its value is the name of a schedule in :mod:`refconv.optim` with arguments.
    augmentation : Setting
        Its value is a tuple of names in :mod:`refconv.data.augment` with arguments in pixels.
    initialization : Setting
        Its value is the name of a function in :mod:`refconv.nn`.
    dropout : Setting
        Its value is the rate in the network of refconv; 0 for none.
    loss : Setting
        Its value is ``CrossEntropy`` with arguments: label smoothing and the weight of auxiliary classifiers.
    clipping : Setting
        Its value is the largest norm of the gradient, or None.
    evaluation : Setting
        Its value is "centre_crop" or "ten_crops" with the size of a crop and the shorter sides of the resized images.
    accuracy : Setting
        Its value is the top-1 accuracy on ImageNet, in percent.
    """

    name: str
    network: str
    paper: str
    batch_size: Setting
    optimizer: Setting
    learning_rate: Setting
    schedule: Setting
    epochs: Setting
    weight_decay: Setting
    augmentation: Setting
    initialization: Setting
    dropout: Setting
    loss: Setting
    clipping: Setting
    evaluation: Setting
    accuracy: Setting

    def settings(self) -> Iterator[tuple[str, Setting]]:
        """Yield the name of each setting in words, and the setting."""
        for name, value in self._asdict().items():
            if isinstance(value, Setting):
                yield name.replace("_", " "), value
