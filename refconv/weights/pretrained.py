"""Networks with the weights of a file, for ``models.create(name, weights=path)``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import refconv.models as models
from refconv._errors import ArgumentValueError
from refconv.data import Preprocessing
from refconv.models.blocks import IMAGENET_MEAN, IMAGENET_STD
from refconv.models.torchvision import TORCHVISION, Variant, torchvision_variant
from refconv.nn import Heads, Layer
from refconv.typing import Array
from refconv.weights.model import load
from refconv.weights.parameters import differences
from refconv.weights.pytorch import copy_arrays, keyed_entries
from refconv.weights.pytorch.files import is_saved_by_torch, read_state_dict
from refconv.weights.safetensors import read_safetensors
from refconv.weights.specs import named_specs
from refconv.weights.tensors import CHECKPOINT, MODEL

__all__ = ["pretrained"]

HEADS = ("aux1.", "aux2.", "AuxLogits.")  # first parts of the keys of auxiliary heads in torchvision
Labels = str | os.PathLike[str] | Sequence[str]


def pretrained(name: str, path: str | os.PathLike[str], arguments: Mapping[str, Any], labels: Labels | None = None) -> Layer:
    """Return a built network with the weights of a file; see :func:`refconv.models.create`."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"weights must be the path of a file, got {os.fspath(path)!r}, which does not exist")
    if _is_model(path):
        model = load(path)
        _check_architecture(path, name, model, arguments)
    else:
        model = _from_torchvision(path, torchvision_variant(name), arguments)
    if labels is not None:
        model.notes = {**model.notes, "classes": _read_labels(labels, model)}
    return model


def _is_model(path: str | os.PathLike[str]) -> bool:
    """Return True for a model or a training run of refconv, and False for weights of PyTorch."""
    if os.path.isdir(path):
        return True
    if is_saved_by_torch(path):
        return False
    _, metadata = read_safetensors(path)
    return MODEL in metadata or CHECKPOINT in metadata


def _from_torchvision(path: str | os.PathLike[str], variant: Variant, given: Mapping[str, Any]) -> Layer:
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
    model.notes = {"preprocessing": prepare.settings(), "weights": Path(path).name}
    return model


def _class_count(model: Layer, shape: tuple[int, ...], arrays: Mapping[str, Array]) -> int | None:
    """Return the number of scores in a state dict, or None if it has no layer of scores."""
    for key, entry in keyed_entries(model, shape).items():
        if entry.parameter in ("scores.b", "trunk.scores.b") and key in arrays:
            return arrays[key].size
    return None


def _check_architecture(path: str | os.PathLike[str], name: str, model: Layer, given: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if a loaded network does not have the parameters of the named one."""
    shape = model.input_shape or models.input_shape(name)
    actual = {parameter: str(p.value.shape) for parameter, p in model.named_parameters().items()}
    variants = [(models.canonical_name(name), {})]
    variants += [(variant.name, variant.arguments) for key, variant in TORCHVISION.items() if _same(name, key, variant)]
    found = []
    for own_name, own in variants:
        accepted = signature(models.registry.MODELS[own_name.removesuffix("-small")].builder).parameters
        fitting = {"classes": model.output_shape(shape)[-1], "heads": isinstance(model, Heads)}
        arguments = {**own, **{key: value for key, value in fitting.items() if key in accepted}, **given}
        specs = named_specs(models.create(own_name, **arguments), shape)
        found.append(differences({parameter: str(spec.shape) for parameter, spec in specs.items()}, actual))
    if all(found):
        raise ArgumentValueError(f"{path} must contain the network {name}, got {found[-1]}")


def _same(name: str, key: str, variant: Variant) -> bool:
    return models.aliases.plain(name) in (models.aliases.plain(key), models.aliases.plain(variant.name))


def _read_labels(labels: Labels, model: Layer) -> list[str]:
    """Return the names of the classes, from a sequence or from the lines of a text file."""
    if isinstance(labels, str | os.PathLike):
        try:
            lines = Path(labels).read_text("utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise ArgumentValueError(f"labels must be a text file in UTF-8, got {labels}: {error}") from error
        names = [line.strip() for line in lines if line.strip()]
    else:
        names = [str(label) for label in labels]
    count = model.output_shape(model.input_shape or ())[-1]
    if len(names) != count:
        raise ArgumentValueError(f"labels must have {count} names, one for each class, got {len(names)}")
    return names
