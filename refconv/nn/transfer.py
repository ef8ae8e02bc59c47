"""A trained network for a new task: another head, and the rest as it is."""

from refconv.nn.combinators import Sequential
from refconv.nn.layer import Layer

__all__ = ["Frozen", "replace_layer"]


def replace_layer(model, name, layer, shape, rng=None):
    """The same network with another layer under a name, built for what reaches it: a new head on trained features.

    All other layers are the same, with the same parameters, and not copies; the network given stays as it is.

    Parameters
    ----------
    model : Sequential
        The network, built.
    name : str
        The layer to replace.
    layer : Layer
        What comes in its place; it is built here.
    shape : tuple of int
        One input of the network, without the batch.
    rng : numpy.random.Generator, int or None
        Where the new layer's first weights come from.

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If there is no layer of this name, or what follows it cannot take the new one's output.

    Examples
    --------
    >>> from refconv import models, nn
    >>> model = models.lenet()
    >>> _ = model.build((32, 32, 1), rng=0)
    >>> other = nn.replace_layer(model, "scores", nn.Dense(3), (32, 32, 1), rng=1)
    >>> other.output_shape((32, 32, 1)), other.layers["conv1"] is model.layers["conv1"]
    ((3,), True)

    Source: B10.
    """
    if name not in model.layers:
        raise ValueError(f"name must be one of {', '.join(model.layers)}, got {name!r}")
    other = Sequential.of({**model.layers, name: layer})
    other.output_shape(shape)  # what follows must take it, too
    reaching = next(inner for known, _, inner in other.children(shape) if known == name)
    layer.build(reaching, rng, next(iter(model.named_parameters().values())).value.dtype)
    return Sequential.of(other.layers)


class Frozen(Layer):
    """A trained layer as it is: in training it works as in inference, and its parameters do not change.

    So batch normalisation keeps its averages and dropout leaves nothing out. Where nobody wants ∂e/∂x, as in the first layer
    of a network, nothing is computed on the way back.

    Parameters
    ----------
    layer : Layer
        A layer or a network that is built; its parameters are frozen (:meth:`Layer.freeze`).

    Raises
    ------
    TypeError, RuntimeError
        If it is no layer, or not built.

    Examples
    --------
    >>> from refconv import models, nn
    >>> model = models.lenet()
    >>> _ = model.build((32, 32, 1), rng=0)
    >>> head = nn.Dense(3)
    >>> _ = head.build((120,), rng=1)
    >>> other = nn.Sequential.of({"features": nn.Frozen(model.cut("dense1")), "scores": head})
    >>> [name for name, p in other.named_parameters().items() if p.trainable]
    ['scores.w', 'scores.b']

    Source: B10.
    """

    def __init__(self, layer):
        if not isinstance(layer, Layer):
            raise TypeError(f"Frozen takes a layer, got {layer!r}")
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

    def make(self, shape, rng, dtype):
        raise RuntimeError(f"{self!r} holds trained parameters, which building would lose: build what is around it")

    def forward(self, x, train=True):
        y, way_back = self.layer.forward(x, train=False)
        return y, lambda dy, want_dx=True: way_back(dy) if want_dx else None

    def __call__(self, x):
        return self.layer(x)

    def __repr__(self):
        return f"Frozen({self.layer!r})"
