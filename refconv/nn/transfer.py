"""Transfer learning: replace the head of a trained network."""

from __future__ import annotations

from refconv._errors import ArgumentValueError
from refconv.nn.combinators import Sequential
from refconv.nn.description import built_shape, short_repr
from refconv.nn.layer import Layer, all_layers
from refconv.typing import Generator, Shape

__all__ = ["replace_layer"]


def replace_layer(model: Sequential, name: str, layer: Layer, shape: Shape | None = None, rng: Generator = None) -> Sequential:
    """Return the network with one layer replaced by a new one, such as a new head on trained features.

    The other layers are shared with ``model``, which does not change, and so are their parameters. To release the memory of
    the replaced layer, delete ``model`` and call :meth:`Layer.flatten_parameters` on the result.

    Parameters
    ----------
    model : Sequential
        The network, built.
    name : str
        The layer to replace.
    layer : Layer
        The new layer; it is built for the input that reaches it.
    shape : tuple of int, optional
        One input of the network, without the batch; by default the shape that ``build`` got.
    rng : numpy.random.Generator, int or None
        Generator or seed for the new layer's first weights.

    Returns
    -------
    Sequential

    Raises
    ------
    RuntimeError
        If the network is not built.
    ValueError
        If there is no layer of this name, if the next layer cannot take the output of the new one, or if the new layer
        contains layers of the network, which building would initialise again.

    Examples
    --------
    >>> from refconv import models, nn
    >>> model = models.lenet()
    >>> _ = model.build((32, 32, 1), rng=0)
    >>> other = nn.replace_layer(model, "scores", nn.Dense(3), rng=1)
    >>> other.output_shape((32, 32, 1)), other["conv1"] is model["conv1"]
    ((3,), True)

    Source: lecture row B10 (SOURCES.md).
    """
    if name not in model.layers:
        raise ArgumentValueError(f"name must be one of {', '.join(model.layers)}, got {name!r}")
    if {*map(id, all_layers(layer))} & {*map(id, all_layers(model))}:
        raise ArgumentValueError(f"layer must not contain layers of the network, got {short_repr(layer)}")
    shape = built_shape(model) if shape is None else tuple(shape)
    if shape is None:
        raise RuntimeError(f"{short_repr(model)} is not built: call build(input_shape) first")
    other = Sequential({**model.layers, name: layer})
    other.output_shape(shape)  # the layers after it must accept its output
    reaching = next(inner for known, _, inner in other.children(shape) if known == name)
    layer.build(reaching, rng, next(iter(model.named_parameters().values())).value.dtype)
    return other
