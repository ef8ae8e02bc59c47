"""Weights of PyTorch and torchvision, read into networks of refconv and written from them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from refconv._arguments import check_ending
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn import Layer
from refconv.nn.description import built_shape
from refconv.nn.parameter import MANY
from refconv.typing import Array, Shape
from refconv.weights.parameters import differences
from refconv.weights.pytorch.families import current_key, module_names
from refconv.weights.pytorch.files import SUFFIXES, arrays_of, read_state_dict, write_state_dict
from refconv.weights.pytorch.layouts import Entry, entries_of

__all__ = ["Unmatched", "copy_arrays", "from_torch", "keyed_entries", "to_torch"]

Path = str | os.PathLike[str]
StateDict = Mapping[str, Any]

NAMES_HINT = "pass names={layer: module of PyTorch} if only names differ"


class Unmatched(NamedTuple):
    """Parameters that are missing in a state dict, and its keys that the network does not have."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def from_torch(
    model: Layer,
    weights: Path | StateDict,
    *,
    input_shape: Shape | None = None,
    names: Mapping[str, str] | None = None,
    strict: bool = True,
) -> Unmatched:
    """Copy the weights of a PyTorch network into a network of refconv.

    If an array does not fit, nothing is changed. The keys of torchvision's AlexNet, VGG, GoogLeNet, Inception-v3, ResNet,
    ResNeXt, Wide ResNet and DenseNet are known. In any other network, layers must have the names of the modules in PyTorch, or
    ``names`` contains the other names. Arrays are converted to refconv's order of axes, and the rows of a dense layer after
    ``Flatten`` from channels first to channels last.

    Parameters
    ----------
    model : Layer
        The network. It computes the same function as the PyTorch network only if its layers have the same arguments, such as
        ``bn_eps``; ``models.create(name, weights=path)`` selects them. A ``BatchNorm2d`` of PyTorch with default arguments is
        ``nn.BatchNorm(eps=1e-5, momentum=0.9, averages="lecture")``.
    weights : path or dict
        A safetensors file, which is read without PyTorch; a file of ``torch.save``, which needs PyTorch 2.6 or later and is
        read with ``weights_only=True``; or the result of ``state_dict()``.
    input_shape : tuple of int, optional
        Shape of one input, without the batch: (height, width, channels), also here. It is needed if the network is not built;
        it is then built with the type of the weights.
    names : dict of str, optional
        The name of the module in PyTorch for names of layers, such as ``{"conv1": "features.0"}``.
    strict : bool
        If False, copy only parameters that occur in both: for example, without auxiliary heads that only one of the
        networks has. A head with another number of classes is still refused: load the weights first, then use
        :func:`refconv.nn.replace_layer`.

    Returns
    -------
    Unmatched
        ``missing_keys``, names of parameters that the state dict does not have, and ``unexpected_keys``, keys that the network
        does not have. Both are empty if strict. A missing ``num_batches_tracked`` is allowed and set to many batches.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    refconv.MissingPackage
        If the file needs PyTorch, which is not installed.
    TypeError, ValueError
        If the file is damaged, or if keys, shapes or types do not fit: float64 weights need a network built with float64.
        The message lists the first keys that do not fit. With ``strict=False``, keys may differ, but not shapes and types.

    Examples
    --------
    >>> from refconv import nn
    >>> model = nn.Sequential(conv=nn.Conv2D(2, (1, 3), bias=False), flatten=nn.Flatten(), fc=nn.Dense(1))
    >>> state_dict = {
    ...     "conv.weight": np.arange(6, dtype=np.float32).reshape(2, 1, 1, 3),
    ...     "fc.weight": np.arange(8, dtype=np.float32).reshape(1, 8),
    ...     "fc.bias": np.zeros(1, np.float32),
    ... }
    >>> from_torch(model, state_dict, input_shape=(2, 4, 1))
    Unmatched(missing_keys=[], unexpected_keys=[])
    >>> model["conv"].parameters["w"].value[0, :, 0, :], model["fc"].parameters["w"].value[:4, 0]
    (array([[0., 3.], [1., 4.], [2., 5.]], dtype=float32), array([0., 4., 1., 5.], dtype=float32))

    Source: lecture row B10 (SOURCES.md).
    """
    if isinstance(weights, Mapping):
        return copy_arrays(model, arrays_of(weights), "weights", input_shape, names, strict)
    if not isinstance(weights, str | os.PathLike):
        hint = "; pass model.state_dict()" if hasattr(weights, "state_dict") else ""
        raise ArgumentTypeError(f"weights must be a path or a state dict, got {type(weights).__name__}{hint}")
    return copy_arrays(model, read_state_dict(weights), str(weights), input_shape, names, strict)


def copy_arrays(
    model: Layer,
    arrays: Mapping[str, Array],
    source: str,
    input_shape: Shape | None = None,
    names: Mapping[str, str] | None = None,
    strict: bool = True,
) -> Unmatched:
    """Copy the arrays of a state dict as :func:`from_torch` does.

    ``source`` is their name in errors.
    """
    arrays = _with_current_keys(source, arrays)
    shape = built_shape(model) if model.is_built else input_shape
    if shape is None:
        raise ArgumentValueError(f"input_shape must be given for a network that is not built, got {input_shape}")
    entries = keyed_entries(model, tuple(shape), names)
    dtype = _dtype_of(model, arrays)
    _check(source, entries, arrays, dtype, strict)
    if not model.is_built:
        model.build(tuple(shape), rng=0, dtype=dtype)
    parameters = model.named_parameters()
    for key, entry in entries.items():
        if key in arrays or entry.spec.counter:
            view, _ = entry.layout(parameters[entry.parameter].value)
            view[...] = np.minimum(arrays.get(key, MANY), MANY) if entry.spec.counter else arrays[key].reshape(view.shape)
    missing = [entry.parameter for key, entry in entries.items() if key not in arrays and not entry.spec.counter]
    return Unmatched(missing, [key for key in arrays if key not in entries])


def to_torch(model: Layer, path: Path | None = None, *, names: Mapping[str, str] | None = None) -> dict[str, Array]:
    """Return the weights of a network as a state dict for PyTorch, and write it to a file.

    Load it with ``network.load_state_dict(safetensors.torch.load_file(path))``. The PyTorch network must have the same layers
    with the same arguments; see :func:`from_torch` about the names of keys.

    Parameters
    ----------
    model : Layer
        A built network.
    path : path, optional
        The file to write. It is a safetensors file if it ends in ``.safetensors``, and a file of ``torch.save``, which needs
        PyTorch, if it ends in ``.pt`` or ``.pth``. An existing file is replaced, completely or not at all.
    names : dict of str, optional
        The name of the module in PyTorch for names of layers.

    Returns
    -------
    dict of array
        NumPy arrays by PyTorch's keys, in PyTorch's order of axes; ``num_batches_tracked`` is int64. For
        ``load_state_dict``, convert them: ``{key: torch.from_numpy(array) for key, array in to_torch(model).items()}``.

    Raises
    ------
    OSError
        If the file cannot be written.
    RuntimeError
        If the network is not built.
    TypeError, ValueError
        If ``names`` has names that no layer has, or the path has another ending.

    Examples
    --------
    >>> from refconv import nn
    >>> model = nn.Sequential(nn.Conv2D(4, (5, 3)), nn.ReLU())
    >>> _ = model.build((7, 8, 2), rng=0)
    >>> {key: array.shape for key, array in to_torch(model).items()}
    {'0.weight': (4, 2, 5, 3), '0.bias': (4,)}

    Source: lecture row B10 (SOURCES.md).
    """
    if path is not None:
        check_ending(path, *SUFFIXES)
    parameters = model.named_parameters()
    shape = built_shape(model)
    if shape is None:  # a layer without parameters
        return {}
    arrays = {}
    for key, entry in keyed_entries(model, shape, names).items():
        view, torch_shape = entry.layout(parameters[entry.parameter].value)
        arrays[key] = np.array(view, np.int64 if entry.spec.counter else None, order="C").reshape(torch_shape)
    if path is not None:
        write_state_dict(path, arrays)
    return arrays


def keyed_entries(model: Layer, shape: Shape, names: Mapping[str, str] | None = None) -> dict[str, Entry]:
    """Return the parameters of a network for inputs of this shape by their keys in PyTorch."""
    entries = entries_of(model, shape)
    layers = list(dict.fromkeys(entry.layer for entry in entries))
    if unknown := [name for name in names or {} if name not in layers]:
        raise ArgumentValueError(f"names must be of layers with parameters: {', '.join(layers)}; got {', '.join(unknown)}")
    modules = dict(zip(layers, layers, strict=True)) | dict(names or module_names(model, layers) or {})
    keyed = {f"{modules[entry.layer]}.{entry.suffix}".lstrip("."): entry for entry in entries}
    if len(keyed) < len(entries):
        raise ArgumentValueError(f"names must give each layer a module of its own, got {names}")
    return keyed


def _with_current_keys(source: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    renamed = {current_key(key): array for key, array in arrays.items()}
    if len(renamed) < len(arrays):
        twice = next(key for key in arrays if current_key(key) != key and current_key(key) in arrays)
        raise ArgumentValueError(f"{source} must contain each parameter once, got {twice} and {current_key(twice)}")
    return renamed


def _check(source: str, entries: Mapping[str, Entry], arrays: Mapping[str, Array], dtype: np.dtype[Any], strict: bool) -> None:
    """Raise ``ValueError`` if keys, shapes or types of a state dict do not fit.

    ``source`` is its name in the message.
    """
    expected = {key: f"{entry.shape} {_kind(dtype, dtype)}" for key, entry in entries.items()}
    actual = {key: f"{array.shape} {_kind(array.dtype, dtype)}" for key, array in arrays.items()}
    counters = {key for key, entry in entries.items() if entry.spec.counter}
    for key in counters:
        if key not in arrays or _is_count(arrays[key]):
            actual[key] = expected[key]
        else:
            expected[key] = "() int64, at least 0"
    common = {key: kind for key, kind in actual.items() if key in expected}
    if not (set(arrays) & set(entries)):
        raise ArgumentValueError(
            f"{source} must contain a parameter of the network, such as {next(iter(entries), 'none')}, got "
            f"{', '.join([*arrays][:3]) or 'none'}; {NAMES_HINT}"
        )
    if difference := differences(expected, actual if strict else {**expected, **common}):
        have_other_names = strict and set(entries) - set(actual) and set(arrays) - set(entries)
        hint = f"; {NAMES_HINT}" if have_other_names else ""
        raise ArgumentValueError(f"{source} must contain the parameters of the network, got {difference}{hint}")


def _is_count(array: Array) -> bool:
    return array.shape == () and array.dtype.kind in "iuf" and bool(array >= 0)


def _dtype_of(model: Layer, arrays: Mapping[str, Array]) -> np.dtype[Any]:
    """Return the dtype of a network's parameters, or its dtype once built."""
    values = (parameter.value for parameter in model.named_parameters().values()) if model.is_built else arrays.values()
    is_double = any(value.dtype == np.float64 for value in values)
    return np.dtype(np.float64 if is_double else np.float32)


def _kind(found: np.dtype[Any], dtype: np.dtype[Any]) -> str:
    """Return the name of a dtype, or of the network's dtype if it holds all values of the other."""
    fits = found.kind == "f" and np.can_cast(found, dtype)
    return str(dtype if fits else found)
