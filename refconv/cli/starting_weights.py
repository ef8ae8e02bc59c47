"""Trained weights from which ``refconv train --from`` starts."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from refconv import models, nn
from refconv._errors import ArgumentValueError
from refconv.cli.console import say
from refconv.cli.saved_model import SavedModel, described, find_weights
from refconv.nn import Layer
from refconv.typing import Shape
from refconv.weights.pretrained import matching_variant
from refconv.weights.specs import named_specs

__all__ = ["copy_weights", "freeze", "input_of", "network", "starting_model"]


def starting_model(options: Namespace) -> SavedModel | None:
    """Return the trained network that --from names, with its preprocessing; None without --from."""
    if not options.weights:
        return None
    weights = find_weights(options.weights)
    try:
        network = models.create(options.model, weights=weights, **_arguments(options))
    except ArgumentValueError as error:
        if not str(error).startswith("weights must"):
            raise
        raise ArgumentValueError(f"--from{str(error).removeprefix('weights')}") from error
    return described(network, options.weights)


def network(options: Namespace, start: SavedModel | None, classes: int) -> Layer:
    """Return the network to train, before ``build``, with this number of classes.

    It has the layers and settings of the trained network that it starts from, which may be torchvision's variant.
    """
    name, arguments = options.model, _arguments(options)
    if start:
        name, arguments, _ = matching_variant(Path(options.weights), name, start.network, arguments)
    return models.create(name, **{**arguments, "classes": classes})


def _arguments(options: Namespace) -> dict[str, Any]:
    """Return the arguments of ``models.create`` that are options, except the classes."""
    return {name: value for name in ("style", "width") if (value := getattr(options, name)) is not None}


def input_of(start: SavedModel, size: Shape | None) -> Shape:
    """Return the input shape of the weights, with the size of --input if it is given."""
    *own_size, channels = start.prepare.input_shape
    if size and size[2:] not in ((), (channels,)):
        raise ArgumentValueError(f"--input must have the {channels} channels of --from, got {size[2]}")
    return (*(size[:2] if size else own_size), channels)


def copy_weights(start: SavedModel, model: Layer, shape: Shape, options: Namespace) -> None:
    """Copy the weights into a built network, except the last layer if its classes are new."""
    trained = {name: parameter.value for name, parameter in start.network.named_parameters().items()}
    is_new = list(start.classes) != options.class_names
    head = _head(start, shape, options) if is_new else set()
    for name, parameter in model.named_parameters().items():
        if name in head:
            continue
        if trained[name].shape != parameter.value.shape:
            height, width, _ = start.prepare.input_shape
            raise ArgumentValueError(
                f"--input must be {height}x{width} with these weights, whose {name} has shape {trained[name].shape}, "
                f"got {shape[0]}x{shape[1]}"
            )
        parameter.value[...] = trained[name]
    layers = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in head))
    note = f"; new weights for {len(options.class_names)} classes: {layers}" if head else ""
    say(f"started from {options.weights}{note}")


def _head(start: SavedModel, shape: Shape, options: Namespace) -> set[str]:
    """Return the names of the parameters whose shape depends on the number of classes."""
    count = len(options.class_names)
    first, second = (named_specs(network(options, start, classes), shape) for classes in (count, count + 1))
    return {name for name, spec in first.items() if spec.shape != second[name].shape}


def freeze(model: Layer, shape: Shape, options: Namespace) -> None:
    """Freeze the layers that --freeze-to selects, and print how many parameters are trained."""
    if not options.freeze_to:
        return
    total = model.count_parameters(shape, trainable_only=True)
    try:
        nn.freeze_to(model, options.freeze_to)
    except ArgumentValueError as error:
        raise ArgumentValueError(f"--freeze-to{str(error).removeprefix('name')}") from error
    if not model.is_trainable:
        raise ArgumentValueError(f"--freeze-to must name a layer before the last one with weights, got {options.freeze_to}")
    trained = model.count_parameters(shape, trainable_only=True)
    say(f"frozen up to {options.freeze_to}: {trained:,} of {total:,} parameters are trained")
