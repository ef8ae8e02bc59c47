"""Methods of all layers that save and load networks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from refconv.nn.recording import Recorded
from refconv.typing import Shape

__all__ = ["Saveable"]

Path = str | os.PathLike[str]


class Saveable(Recorded):
    """Base class of layers with the methods ``save``, ``save_weights`` and ``load_weights``.

    The methods import :mod:`refconv.weights` when they are called, because it imports the layers.
    """

    notes: Mapping[str, Any] = MappingProxyType({})  # notes saved with the model, set by refconv.load

    def save(self, path: Path, *, input_shape: Shape | None = None, notes: Mapping[str, Any] | None = None) -> None:
        """Save the built network, with its architecture and weights, for :func:`refconv.load`.

        The architecture is stored as data: the class names of all layers and the arguments of their constructors. All layers,
        including your own, record their arguments automatically. Arguments may be numbers, strings, None, layers, layer
        classes, module-level functions (such as initializers), Windows and arrays of numbers, and tuples, lists and dicts of
        these. Attributes that were changed later, such as ``layer.momentum = 0.9``, are stored if they are such data, except
        layers. The file also contains the input shape, the type of the parameters and the names of frozen parameters. It does
        not contain the state of random generators.

        Parameters
        ----------
        path : path
            The file to write, usually ``….safetensors``. An existing file is replaced, completely or not at all.
        input_shape : tuple of int, optional
            Shape of one input, without the batch; by default the shape that was passed to ``build``. If ``build`` was called
            only on inner layers, the default is the input shape of the first one.
        notes : dict, optional
            Any JSON-serialisable dict, such as the data it was trained on. By default the attribute ``notes``, which
            ``refconv.load`` sets.

        Raises
        ------
        RuntimeError
            If the network is not built.
        TypeError
            If an argument is not data as described above, or notes are not JSON-serialisable. The message names the layer and
            the argument.
        ValueError
            If the recorded arguments construct other layers, input_shape is missing, the parameters differ in type, or the
            path has the ending of another format, such as ``.onnx``.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> import refconv
        >>> from refconv import nn
        >>> model = nn.Sequential(conv=nn.Conv2D(3, (2, 5)), flatten=nn.Flatten(), scores=nn.Dense(4))
        >>> _ = model.build((7, 8, 2), rng=1)
        >>> x = np.ones((6, 7, 8, 2), np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.safetensors")
        ...     bool((refconv.load(f"{folder}/model.safetensors")(x) == model(x)).all())
        True

        Source: lecture row M2 (SOURCES.md).
        """
        from refconv.weights.model import save

        save(path, self._layer, input_shape=input_shape, notes=notes)

    def save_weights(self, path: Path) -> None:
        """Save all parameters by their dotted names for :meth:`load_weights`.

        The architecture is not saved.

        Parameters
        ----------
        path : path
            The file to write, usually ``….safetensors``. An existing file is replaced, completely or not at all.

        Raises
        ------
        RuntimeError
            If the network is not built.

        Source: lecture row M2 (SOURCES.md).
        """
        from refconv.weights.parameters import save_weights

        save_weights(path, self._layer)

    def load_weights(self, path: Path, *, strict: bool = True) -> list[str]:
        """Copy parameters from a file by their dotted names; if one does not fit, change nothing.

        The file may come from :meth:`save_weights`, :meth:`save` or a checkpoint of a training run. It may also be any other
        safetensors file whose arrays have the names, shapes and types of the parameters. 16-bit weights (float16 or bfloat16)
        are read as float32.

        Parameters
        ----------
        path : path
            The file to read.
        strict : bool
            If False, copy only parameters whose names occur in both the file and the network: for example, all except the
            parameters of a new head.

        Returns
        -------
        list of str
            Names of the parameters that are missing in the file; empty if strict.

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        RuntimeError
            If the network is not built.
        ValueError
            If the file is damaged or has a newer format, or if names, shapes or types differ. The message lists the first
            missing, unexpected and different parameters. With ``strict=False``, names may differ, but not shapes and types.

        Examples
        --------
        >>> import tempfile
        >>> from refconv import nn
        >>> first, second = (nn.Sequential(dense=nn.Dense(3), **{f"head{n}": nn.Dense(n)}) for n in (4, 5))
        >>> _ = first.build((2,), rng=1), second.build((2,), rng=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first.save_weights(f"{folder}/weights.safetensors")
        ...     second.load_weights(f"{folder}/weights.safetensors", strict=False)
        ['head5.w', 'head5.b']

        Source: lecture row B10 (SOURCES.md).
        """
        from refconv.weights.parameters import load_weights

        return load_weights(path, self._layer, strict=strict)

    @property
    def _layer(self) -> Any:
        """The object itself, typed as Any: this module cannot import the class Layer."""
        return self
