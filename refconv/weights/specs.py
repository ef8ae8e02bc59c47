"""Parameter specifications of a network by dotted name, before it is built."""

from __future__ import annotations

from refconv.nn import Layer, Spec

__all__ = ["named_specs"]


def named_specs(model: Layer, shape: tuple[int, ...]) -> dict[str, Spec]:
    """Return the specifications of all parameters that ``build`` would allocate.

    The names are the same as in ``named_parameters``.

    >>> from refconv import nn
    >>> {name: spec.shape for name, spec in named_specs(nn.Sequential(scores=nn.Dense(3)), (5,)).items()}
    {'scores.w': (5, 3), 'scores.b': (3,)}
    """
    _, *inner = model.distinct_layers(shape)
    layers = [("", model, shape), *((f"{name}.", layer, reaching) for name, layer, reaching in inner)]
    return {f"{name}{key}": spec for name, layer, reaching in layers for key, spec in layer.specs(reaching).items()}
