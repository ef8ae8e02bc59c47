"""Networks with trained weights, for ``models.create(name, weights=…)``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import refconv.models as models
from refconv._arguments import entries
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.data import Preprocessing
from refconv.models.blocks import IMAGENET_MEAN, IMAGENET_STD
from refconv.models.pretrained import weights_path
from refconv.models.torchvision import TORCHVISION, Variant, torchvision_variant
from refconv.nn import Heads, Layer
from refconv.nn.description import built_shape
from refconv.typing import Array
from refconv.weights.architecture import difference
from refconv.weights.model import load
from refconv.weights.pytorch import copy_arrays, keyed_entries
from refconv.weights.pytorch.files import is_saved_by_torch, read_state_dict
from refconv.weights.safetensors import read_safetensors
from refconv.weights.tensors import CHECKPOINT, MODEL, WEIGHTS

__all__ = ["matching_variant", "pretrained", "read_labels"]

HEADS = ("aux1.", "aux2.", "AuxLogits.")  # first parts of the keys of auxiliary heads in torchvision
Labels = str | os.PathLike[str] | Sequence[str]


def pretrained(
    name: str, weights: str | os.PathLike[str], arguments: Mapping[str, Any], labels: Labels | None = None
) -> Layer:
    """Return a built network with trained weights; see :func:`refconv.models.create`."""
    path = weights_path(models.canonical_name(name), weights)
    if _is_model(path):
        model = load(path).unfreeze()
        matching_variant(path, name, model, arguments)
    else:
        model = _from_torchvision(path, _variant(path, name), arguments)
    if labels is not None:
        model.notes = {**model.notes, "classes": read_labels(labels, model)}
    return model


def _is_model(path: Path) -> bool:
    """Return True for a model or a training run of refconv, and False for weights of PyTorch."""
    if os.path.isdir(path):
        return True
    if is_saved_by_torch(path):
        return False
    _, metadata = read_safetensors(path)
    if WEIGHTS in metadata:
        raise ArgumentValueError(f"{path} contains weights without an architecture: build the network and call load_weights")
    return MODEL in metadata or CHECKPOINT in metadata


def _variant(path: Path, name: str) -> Variant:
    try:
        return torchvision_variant(name)
    except ArgumentValueError:
        raise ArgumentValueError(
            f"{path} contains weights without an architecture, and torchvision has no {name}: build {name} and call "
            "weights.from_torch"
        ) from None


def _from_torchvision(path: Path, variant: Variant, given: Mapping[str, Any]) -> Layer:
    arrays = read_state_dict(path)
    shape = models.input_shape(variant.name)
    arguments = {**variant.arguments, **given}
    if variant.name in ("googlenet", "inception-v3"):
        arguments.setdefault("heads", any(key.startswith(HEADS) for key in arrays))
    if "classes" not in arguments and (classes := _class_count(models.create(variant.name, **arguments), shape, arrays)):
        arguments["classes"] = classes
    model: Layer = models.create(variant.name, **arguments)
    copy_arrays(model, arrays, str(path), shape)
    prepare = Preprocessing(shape[:2], IMAGENET_MEAN, IMAGENET_STD, shorter_side=variant.resize)
    model.notes = {"preprocessing": prepare.settings(), "weights": path.name}
    return model


def _class_count(model: Layer, shape: tuple[int, ...], arrays: Mapping[str, Array]) -> int | None:
    """Return the number of scores in a state dict, or None if it has no layer of scores.

    The other axes of the weights must have the network's lengths, so the number is limited by the size of the file.
    """
    for key, entry in keyed_entries(model, shape).items():
        if entry.parameter in ("scores.w", "trunk.scores.w") and key in arrays and arrays[key].shape[1:] == entry.shape[1:]:
            return len(arrays[key])
    return None


def matching_variant(path: Path, name: str, model: Layer, given: Mapping[str, Any]) -> Variant:
    """Return the arguments with which ``models.create`` creates the layers of a loaded network.

    It must be the named network with the given arguments, or torchvision's variant of it; otherwise, an argument would be
    ignored, and ``ValueError`` is raised. ``path`` names the network in the message.
    """
    shape = built_shape(model)
    own = {"classes": model.output_shape(shape)[-1] if shape else 0, "heads": isinstance(model, Heads)}
    variants = [Variant(models.canonical_name(name), {})]
    variants += [variant for key, variant in TORCHVISION.items() if _same(name, key, variant)]
    differences = []
    for variant in variants:
        accepted = models.registry.accepted_arguments(variant.name)
        fitting = {key: value for key, value in own.items() if key in accepted}
        if "classes" in fitting and given.get("classes", fitting["classes"]) != fitting["classes"]:
            raise ArgumentValueError(
                f"classes must be {fitting['classes']}, as in {path.name}, got {given['classes']!r}; for other classes, "
                "replace the last layer with nn.replace_layer, or use refconv train --from"
            )
        arguments = {**variant.arguments, **fitting, **given}
        found = difference(models.create(variant.name, **arguments), model)
        if not found:
            return variant._replace(arguments=arguments)
        differences.append(found)
    raise ArgumentValueError(f"weights must belong to {name} with these arguments, got {path.name} ({differences[0]})")


def _same(name: str, key: str, variant: Variant) -> bool:
    return models.aliases.plain(name) in (models.aliases.plain(key), models.aliases.plain(variant.name))


def read_labels(labels: Labels, model: Layer) -> list[str]:
    """Return the names of the classes, from a sequence or from the lines of a text file."""
    if isinstance(labels, str | os.PathLike):
        try:
            lines = Path(labels).read_text("utf-8-sig").splitlines()  # some editors write a byte order mark
        except UnicodeDecodeError as error:
            raise ArgumentValueError(f"labels must be a text file in UTF-8, got {labels}: {error}") from error
        names = [line.strip() for line in lines if line.strip()]
    elif (given := entries(labels)) is None:
        raise ArgumentTypeError(f"labels must be a path or a sequence of strings, got {labels!r}")
    else:
        names = [str(label) for label in given]
    count = model.output_shape(model.input_shape or ())[-1]
    if len(names) != count:
        raise ArgumentValueError(f"labels must have {count} names, one for each class, got {len(names)}")
    return names
