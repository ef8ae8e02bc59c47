"""A network on disk: its parameters in safetensors, and beside them how to build it again."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np

from refconv import models
from refconv._extras import need

__all__ = [
    "clear_unfinished",
    "load_model",
    "need_safetensors",
    "read_tensors",
    "save_model",
    "write_atomically",
    "write_tensors",
]

KIND = "refconv"  # the key under which safetensors keeps the description of a model


def save_model(path, model, *, name, arguments=None, notes=None):
    """Write a built network, so that :func:`load_model` can bring it back.

    Parameters
    ----------
    path : path
        Where; by custom ``….safetensors``. An existing file is replaced, at once or not at all.
    model : Layer
        The network, built.
    name, arguments
        What ``models.build(name, **arguments)`` made it from.
    notes : dict, optional
        Anything else worth keeping that JSON can hold, such as the data it was trained on.

    Raises
    ------
    ImportError
        If safetensors is not installed.
    RuntimeError
        If the network is not built.

    Examples
    --------
    >>> import tempfile
    >>> model = models.build("lenet", classes=3)
    >>> _ = model.build(models.input_shape("lenet"), rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(Path(folder) / "small.safetensors", model, name="lenet", arguments={"classes": 3})
    ...     again, description = load_model(Path(folder) / "small.safetensors")
    >>> bool((again.layers["conv2"]["w"].value == model.layers["conv2"]["w"].value).all()), description["arguments"]
    (True, {'classes': 3})

    Source: M2.
    """
    description = {"name": name, "arguments": arguments or {}, "notes": notes or {}}
    write_tensors(path, _values(model.named_parameters()), KIND, description)


def load_model(path):
    """Read a network that :func:`save_model` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    model : Layer
        The network, built, with its weights.
    description : dict
        ``name``, ``arguments`` and ``notes`` as they were saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a model of refconv's, or its weights do not fit the architecture it names.
    ImportError
        If safetensors is not installed.

    Source: M2.
    """
    tensors, description = read_tensors(path, KIND)
    dtypes = {a.dtype for a in tensors.values()}
    if len(dtypes) != 1:
        raise ValueError(f"{path} must hold tensors of one type, but holds {sorted(map(str, dtypes))}")
    try:
        model = models.build(description["name"], **description["arguments"])
        shape = models.input_shape(description["name"])
        expected, found = model.count_parameters(shape), sum(a.size for a in tensors.values())
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not describe a model of refconv's: {error}") from error
    if expected != found:  # before anything is allocated for it
        raise ValueError(f"{path} does not hold the weights of {description['name']}: {found} numbers, not {expected}")
    model.build(shape, rng=0, dtype=dtypes.pop())
    parameters = model.named_parameters()
    expected, found = ({n: a.shape for n, a in group.items()} for group in (_values(parameters), tensors))
    if expected != found:
        differing = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise ValueError(f"{path} does not hold the weights of {description['name']}: {', '.join(differing)} differ")
    for name, parameter in parameters.items():
        parameter.value[...] = tensors[name]
    return model, description


def write_atomically(path, content: bytes):
    """Write a file completely or not at all: under another name first, then moved into its place."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(unfinished, 0o666 & ~_umask())  # mkstemp makes files for the owner alone
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def clear_unfinished(path):
    """Remove what a program that was killed within :func:`write_atomically` has left beside this file."""
    path = Path(path)
    for unfinished in path.parent.glob(f".{path.name}.*"):
        unfinished.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _values(parameters):
    return {name: parameter.value for name, parameter in parameters.items()}


def need_safetensors(purpose):
    """Refuse at once what could not be saved later."""
    return need("safetensors.numpy", "train", purpose)


def write_tensors(path, tensors, kind, description):
    """Write named arrays and a description that JSON can hold, as one file; arrays in the description become lists."""
    content = need_safetensors(f"saving {path}").save(tensors, {kind: json.dumps(description, default=_as_list)})
    write_atomically(path, content)


def _as_list(thing):
    if not isinstance(thing, np.ndarray | np.generic):
        raise TypeError(f"what is to be saved must be such as JSON can hold, but there is {thing!r}")
    return thing.tolist()


def read_tensors(path, kind):
    """The arrays and the description that :func:`write_tensors` wrote; refused if they are something else."""
    path, safetensors = Path(path), need("safetensors", "train", "loading a model")
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file, or is damaged: {error}") from error
    except (AttributeError, TypeError) as error:
        raise ValueError(f"{path} holds tensors of a type that NumPy lacks: {error}") from error
    if kind not in metadata:
        thing = {"refconv": "a refconv model", "refconv-checkpoint": "a refconv run"}.get(kind, kind)
        raise ValueError(f"{path} holds tensors, but no description of {thing}")
    try:
        return tensors, json.loads(metadata[kind])
    except ValueError as error:
        raise ValueError(f"{path} has a description that is not JSON: {error}") from error
