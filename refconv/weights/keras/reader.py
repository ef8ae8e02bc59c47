"""Networks and weights from files of Keras 3, without Keras."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from refconv._errors import ArgumentValueError
from refconv.nn import Layer
from refconv.typing import Array, Shape
from refconv.weights.keras.archive import read_archive
from refconv.weights.keras.hdf5 import Wanted, groups_with_weights, read_groups, refuse_others
from refconv.weights.keras.network import Description

__all__ = ["from_keras"]

Path = str | os.PathLike[str]

# Exceptions that a faulty file causes.
FILE_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def from_keras(path: Path, *, input_shape: Shape | None = None) -> Layer:
    """Load a network from a ``.keras`` file of Keras 3.

    The file is read as data: neither Keras nor code from the file is executed. Sequential and functional networks with one
    input and one output are converted, also inside other networks, if each layer has an equal one in refconv. Chains and
    branches become ``Sequential``, ``Sum``, ``Mean`` and ``Concat``, and other parts become ``Graph``. All other files are
    refused with the name of the layer. The names of the layers are kept.

    The optimizer, penalties and constraints of weights are not read. ``BatchNorm`` gets ``averages="lecture"``, which is
    Keras's formula. Layers with ``trainable=False`` are frozen. A ``Rescaling`` becomes a frozen ``BatchNorm``.

    Parameters
    ----------
    path : path
    input_shape : tuple of int, optional
        Shape of one input, without the batch. It is needed if the file does not determine the size of images.

    Returns
    -------
    Layer
        The built network with its weights, in float32 or float64 as in the file. Networks that end in softmax return
        probabilities; ``model[:-1]`` returns scores.

    Raises
    ------
    MissingPackage
        If h5py is not installed.
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is not from Keras 3, is damaged, or contains a network that cannot be converted. The message names the
        file, and the layer.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from refconv import nn, weights
    >>> model = nn.Sequential(conv=nn.Conv2D(3, (2, 5)), relu=nn.ReLU())
    >>> _ = model.build((7, 8, 2), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     weights.to_keras(model, f"{folder}/model.keras")
    ...     again = weights.from_keras(f"{folder}/model.keras")
    >>> again
    Sequential(conv=Conv2D(3, 2×5), relu=ReLU())
    >>> x = np.ones((4, 7, 8, 2), np.float32)
    >>> np.allclose(again(x), model(x))
    True
    """
    try:
        config, image = read_archive(path)
        network = Description(config, input_shape)
        wanted = {
            group: Wanted(stored.name, stored.shapes()) for group, stored in network.stored.items() if stored.part.variables
        }
        refuse_others(groups_with_weights(image, network.groups), wanted)
        arrays = read_groups(image, wanted, network.dtype, check_names=True)
        network.model.build(network.input_shape, rng=0, dtype=network.dtype)
    except FILE_ERRORS as error:
        raise ArgumentValueError(f"{path} does not contain a network that can be loaded: {error}") from error
    _put(network, arrays)
    network.restore_training()
    return network.model


def _put(network: Description, arrays: Mapping[str, Sequence[Array]]) -> None:
    """Copy the arrays, whose shapes were checked, into the parameters."""
    for group, (_, part, _, _) in network.stored.items():
        parameters = part.layers[0].parameters
        for name, value in part.constants.items():
            parameters[name].value[...] = value
        for name, array in zip(part.variables, arrays.get(group, ()), strict=True):
            parameters[name].value[...] = array.reshape(parameters[name].value.shape)
