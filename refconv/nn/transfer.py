"""Transfer learning: replace the head of a trained network, or freeze its layers."""

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.combinators import Sequential
from refconv.nn.container import container_repr
from refconv.nn.description import Wrapper, short_repr
from refconv.nn.layer import Layer, all_layers

__all__ = ["Frozen", "replace_layer"]


def replace_layer(model, name, layer, shape, rng=None):
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
    shape : tuple of int
        One input of the network, without the batch.
    rng : numpy.random.Generator, int or None
        Generator or seed for the new layer's first weights.

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If there is no layer of this name, if the next layer cannot take the output of the new one, or if the new layer
        contains layers of the network, which building would initialise again.

    Examples
    --------
    >>> from refconv import models, nn
    >>> model = models.lenet()
    >>> _ = model.build((32, 32, 1), rng=0)
    >>> other = nn.replace_layer(model, "scores", nn.Dense(3), (32, 32, 1), rng=1)
    >>> other.output_shape((32, 32, 1)), other["conv1"] is model["conv1"]
    ((3,), True)

    Source: B10.
    """
    if name not in model.layers:
        raise ArgumentValueError(f"name must be one of {', '.join(model.layers)}, got {name!r}")
    if {*map(id, all_layers(layer))} & {*map(id, all_layers(model))}:
        raise ArgumentValueError(f"layer must not contain layers of the network, got {short_repr(layer)}")
    other = Sequential({**model.layers, name: layer})
    other.output_shape(shape)  # the layers after it must accept its output
    reaching = next(inner for known, _, inner in other.children(shape) if known == name)
    layer.build(reaching, rng, next(iter(model.named_parameters().values())).value.dtype)
    return other


class Frozen(Wrapper, Layer):
    """A trained layer that does not change: in training it computes the same as in inference.

    Batch normalisation keeps its averages and dropout drops nothing. If ∂e/∂x is not needed, as in the first layer of a
    network, the backward function computes nothing.

    Parameters
    ----------
    layer : Layer
        A built layer or network; its parameters are frozen (:meth:`Layer.freeze`).

    Raises
    ------
    TypeError, RuntimeError
        If ``layer`` is not a layer, or not built.

    Examples
    --------
    >>> from refconv import models, nn
    >>> model = models.lenet()
    >>> _ = model.build((32, 32, 1), rng=0)
    >>> head = nn.Dense(3)
    >>> _ = head.build((120,), rng=1)
    >>> other = nn.Sequential({"features": nn.Frozen(model.cut("dense1")), "scores": head})
    >>> [name for name, p in other.named_parameters().items() if p.trainable]
    ['scores.w', 'scores.b']

    Source: B10.
    """

    def __init__(self, layer):
        if not isinstance(layer, Layer):
            raise ArgumentTypeError(f"Frozen takes a layer, got {layer!r}")
        layer.freeze()
        self.layer, self.parameters = layer, {}

    def named_layers(self):
        yield "layer", self.layer

    def children(self, shape):
        yield "layer", self.layer, shape

    def multiply_adds(self, shape):
        return self.layer.multiply_adds(shape)

    def output_shape(self, shape):
        return self.layer.output_shape(shape)

    def _check_before_build(self, shape):
        raise RuntimeError(f"{short_repr(self)} holds trained parameters, which building would lose: build what is around it")

    def forward(self, x, train=True):
        y, way_back = self.layer.forward(x, train=False)
        return y, lambda dy, want_dx=True: way_back(dy) if want_dx else None

    def __call__(self, x):
        return self.layer(x)

    def caption(self):
        return "frozen"

    def __repr__(self):
        return container_repr("Frozen", {"0": self.layer})
