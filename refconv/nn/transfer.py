"""Transfer learning: frozen first layers and a replaced layer of a trained network."""

from __future__ import annotations

from refconv._errors import ArgumentValueError
from refconv.nn.combinators import Sequential
from refconv.nn.description import built_shape, short_repr
from refconv.nn.layer import Layer, all_layers
from refconv.typing import Generator, Shape

__all__ = ["freeze_to", "replace_layer"]


def freeze_to(model: Layer, name: str) -> None:
    """Freeze a layer and all layers before it; see :meth:`Layer.freeze`.

    The layers before it are those that compute its input. In a branch of a ``Sum``, for example, the other branches are not
    among them.

    Parameters
    ----------
    model : Layer
        The built network.
    name : str
        The layer's name, dotted for deeper layers: ``"stage2"``, ``"stage2.block1"``.

    Raises
    ------
    RuntimeError
        If the network is not built.
    ValueError
        If there is no layer of this name, or its container does not define which layers are before it. The message lists the
        existing names. Also if neither the layer nor the layers before it have parameters. No layer is frozen then.

    Examples
    --------
    >>> from refconv import models, nn
    >>> model = models.create("resnet20")
    >>> _ = model.build((32, 32, 3), rng=0)
    >>> nn.freeze_to(model, "stage3.block2")
    >>> sorted({".".join(name.split(".")[:2]) for name, p in model.named_parameters().items() if p.trainable})
    ['scores.b', 'scores.w', 'stage3.block3']

    Source: lecture row B10 (SOURCES.md).
    """
    model.named_parameters()  # raises RuntimeError before build
    layers = _layers_to(model, name, "")
    if not any(layer.named_parameters() for layer in layers):
        first = next(iter(model.named_parameters()), "none")
        raise ArgumentValueError(
            f"name must be a layer with parameters or after one, the first parameter is {first}, got {name!r}"
        )
    for layer in layers:
        layer.freeze()


def _layers_to(layer: Layer, name: str, outer: str) -> list[Layer]:
    """Return the inner layers that are before the layer of this name, and this layer itself.

    ``outer`` is the dotted name of the first argument with a dot at its end; it is "" for the network itself.
    """
    inner = dict(layer.named_layers())
    first, _, deeper = name.partition(".")
    before = layer.layers_before(first) if first in inner else None
    if before is None:
        names = ", ".join(outer + other for other in inner if layer.layers_before(other) is not None)
        raise ArgumentValueError(f"name must be one of {names or outer[:-1]}, got {outer + name!r}")
    last = _layers_to(inner[first], deeper, f"{outer}{first}.") if deeper else [inner[first]]
    return [*(other for other in before if isinstance(other, Layer)), *last]


def replace_layer(model: Sequential, name: str, layer: Layer, shape: Shape | None = None, rng: Generator = None) -> Sequential:
    """Return the network with one layer replaced by a new one, such as a new head.

    The result shares the other layers and their parameters with ``model``, which does not change. To release the memory of the
    replaced layer, delete ``model`` and call :meth:`Layer.flatten_parameters` on the result.

    Parameters
    ----------
    model : Sequential
        The built network.
    name : str
        Name of the layer to replace.
    layer : Layer
        The new layer; it is built for its input shape in the network.
    shape : tuple of int, optional
        Shape of one input of the network, without the batch; by default the shape that was passed to ``build``.
    rng : numpy.random.Generator, int or None
        Generator or seed for the initial weights of the new layer.

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
    inner_shape = next(inner for inner_name, _, inner in other.children(shape) if inner_name == name)
    layer.build(inner_shape, rng, next(iter(model.named_parameters().values())).value.dtype)
    return other
