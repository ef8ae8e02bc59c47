"""Auxiliary classifiers: heads on inner layers of a network, used only in training."""

from collections.abc import Iterator, Sequence
from typing import Any

from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.nn.combinators import Sequential
from refconv.nn.container import Container
from refconv.nn.description import Wrapper, short_repr
from refconv.nn.layer import Layer, call_backward
from refconv.nn.location import names_failing_layer
from refconv.typing import Array, Backward, Shape

__all__ = ["Heads"]


class Heads(Wrapper, Container):
    r"""Network (trunk) with auxiliary heads on some of its layers; inference uses only the trunk.

    In training the output is a tuple: the output of the trunk, then the output of each head. The backward function takes a
    tuple of gradients. At a layer with a head, the two gradients are added:

    .. math:: \frac{\partial e}{\partial y} = J_{\mathrm{rest}}^\top \frac{\partial e}{\partial\,\mathrm{scores}}
              + J_{\mathrm{head}}^\top \frac{\partial e}{\partial\,\mathrm{head}}

    Parameters
    ----------
    trunk : Sequential
        The network.
    **heads : Layer
        Heads in the order of the trunk. A keyword is the name of the layer of the trunk whose output the head reads. The name
        of the head itself is the keyword with the prefix "head_".

    Raises
    ------
    TypeError, ValueError
        If the trunk is not a Sequential, there are no heads, or a keyword is not the name of a layer before the last.

    Examples
    --------
    >>> import numpy as np
    >>> from refconv import nn
    >>> model = Heads(Sequential(first=nn.Dense(4), second=nn.Dense(3)), first=nn.Dense(2))
    >>> model.build((5,), rng=0)
    (3,)
    >>> [scores.shape for scores in model.forward(np.ones((6, 5), np.float32))[0]], model(np.ones((6, 5), np.float32)).shape
    ([(6, 3), (6, 2)], (6, 3))

    Source: lecture rows A22 and M7 (SOURCES.md); Szegedy et al., "Going deeper with convolutions", 2014.
    """

    def __init__(self, trunk: Sequential, **heads: Layer) -> None:
        if not isinstance(trunk, Sequential):
            raise ArgumentTypeError(f"trunk must be a Sequential, got {short_repr(trunk)}")
        super().__init__(trunk=trunk, **{f"head_{name}": head for name, head in heads.items()})
        self.trunk, self.heads = trunk, heads
        self.pieces = _cut(trunk, [*heads])

    @names_failing_layer
    def output_shape(self, shape: Shape) -> Shape:
        return self.trunk.output_shape(shape)

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        yield "trunk", self.trunk, shape
        for (name, head), piece in zip(self.heads.items(), self.pieces, strict=False):
            shape = piece.output_shape(shape)
            yield f"head_{name}", head, shape

    @property
    def inference_layer(self) -> Layer:
        return self.trunk

    def layers_before(self, name: str) -> Sequence[Layer]:
        return () if name == "trunk" else self.pieces[: [*self.heads].index(name.removeprefix("head_")) + 1]

    def reaching(self, x: Array, name: str) -> Array:
        return x if name == "trunk" else self.trunk.activations(x, name.removeprefix("head_"))

    @names_failing_layer
    def forward(self, x: Array, train: bool = True) -> tuple[Any, Backward]:
        if not train or self.frozen:
            return self.trunk.forward(x, train)
        head_outputs, backward_functions = [], []
        for piece, head in zip(self.pieces, self.heads.values(), strict=False):
            x, piece_backward = piece.forward(x, train)
            head_output, head_backward = head.forward(x, train)
            head_outputs.append(head_output)
            backward_functions.append((piece_backward, head_backward))
        scores, last_backward = self.pieces[-1].forward(x, train)

        def backward(dy: Sequence[Array], want_dx: bool = True) -> Array | None:
            dscores, *dheads = dy
            # needed[k]: the caller or a piece before piece k needs ∂e/∂ the input of piece k.
            needed = [want_dx or any(piece.is_trainable for piece in self.pieces[:k]) for k in range(len(self.pieces))]
            dx: Array | None = call_backward(last_backward, dscores, needed[-1])
            for k in reversed(range(len(backward_functions))):
                piece_backward, head_backward = backward_functions[k]
                dhead = call_backward(head_backward, dheads[k], needed[k + 1])
                dx = call_backward(piece_backward, dx + dhead, needed[k]) if needed[k + 1] else None
            return dx

        return (scores, *head_outputs), backward

    @names_failing_layer
    def __call__(self, x: Array) -> Array:
        return self.trunk(x)


def _cut(trunk: Sequential, names: list[str]) -> list[Sequential]:
    """Cut the trunk into pieces after each of these layers; the last piece is the remainder."""
    layers = [*trunk.layers.items()]
    position = {name: k for k, (name, _) in enumerate(layers, 1)}
    ends = [position.get(name, 0) for name in names]  # 0 for an unknown name
    if not ends or 0 in ends or ends != sorted(set(ends)) or ends[-1] == len(layers):
        allowed = [*trunk.layers][:-1]
        raise ArgumentValueError(f"heads must have one or more names from {allowed}, in this order, got {names}")
    return [Sequential(**dict(layers[low:high])) for low, high in zip([0, *ends], [*ends, len(layers)], strict=True)]
