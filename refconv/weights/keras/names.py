"""Names of layers in files of Keras 3, and the order of the layers that determines them.

A file of weights contains a group for each layer, such as ``layers/conv2d_1``: the name of its class, with a number from the
second layer of this class on. So the names depend on the order in which Keras lists the layers of a network.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["group_names", "keras_order", "snake_case"]


def snake_case(class_name: str) -> str:
    """Return the name of a class as Keras writes it in a file of weights.

    >>> [snake_case(name) for name in ("Conv2DTranspose", "ReLU", "MaxPooling1D", "UpSampling2D", "ELU")]
    ['conv2d_transpose', 're_lu', 'max_pooling1d', 'up_sampling2d', 'elu']
    """
    # A word starts at a capital letter before small letters, or at a capital letter after a small one.
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", class_name).lower()


def group_names(class_names: Iterable[str]) -> list[str]:
    """Return the name of each layer's group, in the order of the layers.

    >>> group_names(["Conv2D", "Dense", "Conv2D"])
    ['conv2d', 'dense', 'conv2d_1']
    """
    names, used = [], Counter[str]()
    for name in map(snake_case, class_names):
        names.append(f"{name}_{used[name]}" if used[name] else name)
        used[name] += 1
    return names


def keras_order(inputs: Mapping[str, Sequence[str]], output: str, layers: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of layers in the order in which Keras lists the layers of a network.

    Layers that are further from the output come first. The distance is the length of the longest path. Layers at the same
    distance are in the order in which a depth-first search from the output reaches them. If a layer has several calls, each
    call is at least as far from the output as the calls that come after it in that search.

    Parameters
    ----------
    inputs : dict of list of str
        Names of the inputs of each call. All calls lead to the output.
    output : str
        Name of the last call.
    layers : dict of str, optional
        Name of the layer of each call; by default, each call is of a layer of its own.

    Examples
    --------
    >>> keras_order({"x": [], "a": ["x"], "b": ["a"], "c": ["x"], "add": ["c", "b"]}, "add")
    ['x', 'a', 'c', 'b', 'add']
    """
    layers = layers or {name: name for name in inputs}
    reached: dict[str, int] = {}  # layers, numbered as the search reaches them
    finished: dict[str, None] = {}  # calls, each after its inputs
    pending = [(output, iter(inputs[output]))]
    reached[layers[output]] = 0
    while pending:
        name, others = pending[-1]
        before = next((other for other in others if other not in finished), None)
        if before is None:
            finished[name] = None
            pending.pop()
        else:
            reached.setdefault(layers[before], len(reached))
            pending.append((before, iter(inputs[before])))
    distance, of_layer = dict.fromkeys(inputs, 0), dict.fromkeys(reached, 0)
    for name in reversed(finished):
        of_layer[layers[name]] = distance[name] = max(distance[name], of_layer[layers[name]])
        for before in inputs[name]:
            distance[before] = max(distance[before], distance[name] + 1)
    return sorted(reached, key=lambda name: (-of_layer[name], reached[name]))
