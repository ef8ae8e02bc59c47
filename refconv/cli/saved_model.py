"""Saved network with its preprocessing and its classes, as ``refconv train`` stores them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import refconv
from refconv import data, models, weights
from refconv._errors import ArgumentError, ArgumentValueError
from refconv._optional import need
from refconv.cli.console import warnings_as_lines
from refconv.models.pretrained import weights_path

if TYPE_CHECKING:
    from refconv import nn
    from refconv.typing import Array

__all__ = ["SavedModel", "described", "find_weights", "load_model", "load_network"]


@dataclass(frozen=True)
class SavedModel:
    """A network, the preprocessing of its images, and the names of its classes."""

    network: nn.Layer
    prepare: data.Preprocessing
    classes: tuple[str, ...]
    data: str | None

    @property
    def has_masks(self) -> bool:
        """True if the network classifies each pixel."""
        return len(self.network.output_shape(self.prepare.input_shape)) == 3

    def inputs(self, images: Any) -> Array:
        """Return 8-bit images as inputs in the precision of the network."""
        dtypes = [parameter.value.dtype for parameter in self.network.named_parameters().values()]
        return self.prepare(images).astype(dtypes[0] if dtypes else np.float32, copy=False)


def load_model(path: str) -> SavedModel:
    """Load a network from a file, from the folder of a run, or by a name such as "lenet:mnist".

    The file is one that :func:`load_network` reads. Raises ``ValueError`` as :func:`described` does.
    """
    return described(load_network(find_weights(path)), path)


def load_network(path: str) -> nn.Layer:
    """Load a network from a model file, the folder of a run, or a file of ONNX or Keras.

    Images of an ONNX file that have their channels first are expected with the channels last.
    """
    suffix = Path(path).suffix.lower()
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}{_packaged(path)}")
    if Path(path).is_file() and suffix == ".onnx":
        need("onnx", "onnx", f"reading {path}")
        from refconv import onnx

        with warnings_as_lines():  # about weights that become copies
            network = onnx.load(path)
        if not _has_channels_first(network):
            return network
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are printed already
            return onnx.load(path, data_format="channels_last")
    if Path(path).is_file() and suffix == ".keras":
        return weights.from_keras(path)
    return refconv.load(path)


def _has_channels_first(network: nn.Layer) -> bool:
    """Return True if a network from an ONNX file is for images with their channels first.

    If it flattens its input, the layout is unknown, and the first axis is taken for the channels if it has length 1, 3 or 4.
    """
    from refconv.weights.element_order import input_layout

    shape = network.input_shape or ()
    if len(shape) != 3:
        return False
    looks_so = shape[0] in (1, 3, 4) and shape[2] > max(3, shape[0])
    return looks_so or input_layout(network, shape) == "channels_first"


def _packaged(name: str) -> str:
    """List the packaged weights of an architecture for an error message; return "" for others."""
    try:
        network = models.canonical_name(name)
    except ValueError:
        return ""
    known = ", ".join(f"{network}:{own}" for own in models.weights_names(network))
    return f"; packaged weights: {known}" if known else ""


def find_weights(text: str) -> str:
    """Return the path of packaged weights "NETWORK:WEIGHTS", or any other text unchanged."""
    name, colon, own = text.partition(":")
    if not colon or Path(text).exists():
        return text
    try:
        network = models.canonical_name(name)
    except ValueError:  # not a network, but perhaps the drive of a Windows path
        return text
    return str(weights_path(network, own))


def described(network: nn.Layer, path: str) -> SavedModel:
    """Return a loaded network with the preprocessing and the classes in its notes.

    A network without stored preprocessing is accepted if it has the input of LeNet-5. Raises ``ValueError`` for others, and
    for networks that are no classifiers. ``path`` names the network in error messages.
    """
    notes: Mapping[str, Any] = network.notes
    shape = network.input_shape
    if "preprocessing" in notes:
        try:
            prepare = data.Preprocessing.from_settings(notes["preprocessing"])
        except ArgumentError as error:
            raise ArgumentValueError(f"{path} must contain valid preprocessing: {error}") from error
    elif shape == data.Preprocessing.of_lenet().input_shape:
        prepare = data.Preprocessing.of_lenet()
    else:
        raise ArgumentValueError(
            f"{path} must contain the preprocessing of its images, as models saved by `refconv train` do, got none: "
            "model.save(path, notes={'preprocessing': prepare.settings(), 'classes': names}) stores it"
        )
    if prepare.input_shape != shape:
        raise ArgumentValueError(f"{path} must contain the preprocessing for inputs {shape}, got {prepare.input_shape}")
    output = network.output_shape(shape)
    count = output[-1]
    if len(output) not in (1, 3) or count < 2:
        raise ArgumentValueError(f"{Path(path)} must be a classifier, got a network with output shape {output}")
    names = notes.get("classes") or range(count)
    if not isinstance(names, list | tuple | range):
        raise ArgumentValueError(f"{path} must have a list of class names, got {names!r}")
    classes = tuple(map(str, names))
    if len(classes) != count:
        raise ArgumentValueError(f"{path} must have {count} class names, got {len(classes)}")
    for name, parameter in network.named_parameters().items():
        if not np.isfinite(parameter.value).all():
            raise ArgumentValueError(f"{path} must contain finite weights, got non-finite values in {name}")
    return SavedModel(network, prepare, classes, notes.get("data"))
