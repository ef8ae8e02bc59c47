"""Location of errors: containers add the failing layer and the batch to a message."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from refconv.nn.description import Description, built_shape, short_repr

__all__ = ["names_failing_layer", "unlike_build"]

Method = TypeVar("Method", bound=Callable[..., Any])


def names_failing_layer(method: Method) -> Method:
    """Decorate a container's method so that error messages name the failing inner layer.

    The type of the error does not change.

    >>> from refconv import nn
    >>> model = nn.Sequential(flatten=nn.Flatten(), block=nn.Sequential(nn.ReLU(), scores=nn.Dense(3)))
    >>> _ = model.build((2, 2))
    >>> model(np.ones((5, 3, 2), np.float32))
    Traceback (most recent call last):
    refconv.ArgumentValueError: x must have shape (5, 4), with a channel for each row of w, got shape (5, 6), in layer \
block.scores, Dense(3); the network was built for inputs (N, 2, 2), got (5, 3, 2)
    """

    @functools.wraps(method)
    def wrapped(self: Any, x: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return method(self, x, *arguments, **options)
        except Exception as error:
            if len(error.args) == 1 and isinstance(error.args[0], str):
                before = vars(error).setdefault("_original_message", error.args[0])
                error.args = (before + _where(self, error) + unlike_build(self, x),)
            raise

    return wrapped  # type: ignore[return-value]  # functools.wraps: it has the signature of the method


def _where(network: Any, error: Exception) -> str:
    """Return the dotted name and the repr of the innermost layer in the error's traceback."""
    names = dict(_named("", network))
    layers = {id(layer): layer for layer in map(_layer_of, _frames(error)) if layer is not None}
    inside = [number for number in layers if number in names]
    return f", in layer {names[inside[-1]]}, {short_repr(layers[inside[-1]])}" if inside else ""


def _named(prefix: str, layer: Any) -> list[tuple[int, str]]:
    """Return the id and the dotted name of each inner layer.

    They are in reverse order, so a dict contains the first name of a layer that is used twice.
    """
    names = []
    for name, inner in layer.named_layers():
        names += [*_named(f"{prefix}{name}.", inner), (id(inner), f"{prefix}{name}")]
    return names[::-1] if not prefix else names


def _frames(error: Exception) -> list[Any]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def _layer_of(frame: Any) -> Any:
    """Return the layer whose method runs in a frame; None if there is none.

    For a step that computes several layers together, return the first one.
    """
    owner = frame.f_locals.get("self")
    if isinstance(owner, Description):
        return owner
    layers = inspect.getattr_static(owner, "layers", None) if owner is not None else None
    return layers[0] if isinstance(layers, tuple) and layers and isinstance(layers[0], Description) else None


def unlike_build(network: Any, x: Any) -> str:
    """Describe how a batch differs from the network's inputs; return "" if it does not."""
    built_for = built_shape(network)
    if built_for is None or not isinstance(x, np.ndarray):
        return ""
    dtypes = {p.value.dtype for p in network.named_parameters().values()}
    if len(dtypes) == 1 and x.dtype not in dtypes:
        dtype = dtypes.pop()
        scaled = "scale it to small numbers first, such as x / 255, then " if x.dtype.kind in "iu" else ""
        return f"; the network was built for {dtype}, got a batch of {x.dtype}: {scaled}use x.astype(np.{dtype})"
    if x.shape[1:] == built_for:
        return ""
    hint = ""
    if x.shape == built_for:
        hint = ": a single example needs the axis of the batch, x[np.newaxis]"
    elif len(built_for) > 1 and x.shape[1:] == (built_for[-1], *built_for[:-1]):
        axes = (0, *range(2, x.ndim), 1)
        hint = f": channels last? use x.transpose{axes}"
    return f"; the network was built for inputs (N, {', '.join(map(str, built_for))}), got {x.shape}{hint}"
