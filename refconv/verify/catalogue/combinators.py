"""Rows of layers that do not compute one operator, such as combinators and cells.

The cases are listed here. Each output is defined by a formula of operators.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

import refconv
from refconv import models, nn
from refconv.nn.joins import Add, Concatenate, Multiply
from refconv.verify.catalogue.layer_functions import SEED, Make, backward, definition_of, forward, layer_case
from refconv.verify.operator import Derivative, Operator

__all__ = ["COMBINATORS"]

FIRST: dict[str, Any] = {"data_format": "channels_first"}


def row(name, ids, formula, *fixed, drawn=(), nature="rational", without=(), family="combinators"):
    """Return the row of one layer class.

    ``drawn`` are further cases, used only for numeric evidence and parity. ``ids`` are the statements that the layer itself
    implements, without statements that need a network with this layer.
    """
    return Operator(
        name=name,
        family=family,
        ids=ids,
        formula=formula,
        forward=lambda _, a: forward(a.make.layer(), a, a.make.trained),
        derivatives=(Derivative(name, (), lambda _, a: backward(a.make.layer(), a, a.make.trained)),),
        fixed=fixed,
        cases=lambda: st.builds(with_batch, st.sampled_from([*fixed, *drawn]), st.integers(1, 5)),
        nature=nature,
        slack=256,
        draws=20,
        definition=lambda a: definition_of(a.make, a),
        without=without,
    )


def case(layer, shape, definition=None, *, trained=False, **options):
    """Return the case of a layer; ``definition(a)`` returns its output, computed by operators."""
    return layer_case(Make(layer, definition, trained), shape, **{"batch": 2, **options})


def with_batch(case, batch):
    """Return the same case with a batch of another size."""
    return replace(case, shapes={**case.shapes, "x": (batch, *case.shapes["x"][1:])})


def dense(a, name, x=None):
    """Compute the dense layer of this name for x, or for the input of the network."""
    return refconv.dense(a.x if x is None else x, a.arrays[f"{name}w"], a.arrays[f"{name}b"])


def conv(a, name, **options):
    """Compute the convolution layer of this name for the input of the network."""
    return refconv.conv2d(a.x, a.arrays[f"{name}w"], a.arrays[f"{name}b"], **options)


def over_rotations(a, pool):
    """Compute a pooling over the four rotations, as windows in images with four columns."""
    N, H, W, _, C = a.x.shape
    return pool(a.x.reshape(N, H * W, 4, C), (1, 4)).reshape(N, H, W, C)


def each_rotation(a, pool):
    """Compute a pooling of each of the four rotations of functions on p4."""
    return np.stack([pool(np.ascontiguousarray(a.x[..., r, :])) for r in range(4)], axis=3)


def p4_norm(a):
    """Compute batch normalisation of functions on p4 as rows of channels."""
    y, *_ = refconv.batch_norm(a.x.reshape(-1, a.x.shape[-1]), a.gamma, a.beta)
    return y.reshape(a.x.shape)


def p4_norm_inference(a):
    """Compute the same layer in inference, with ε = 0.5."""
    rows = a.x.reshape(-1, a.x.shape[-1])
    return refconv.batch_norm_inference(rows, a.gamma, a.beta, a.mean, a.var, eps=0.5).reshape(a.x.shape)


def fractal(a, name=""):
    """Compute a fractal of two columns: the mean of one layer and of two layers in sequence."""
    two_layers = dense(a, f"{name}column2_row2.", dense(a, f"{name}column2_row1."))
    return (dense(a, f"{name}column1_row2.") + two_layers) * 0.5


def two_columns(**options):
    return nn.Fractal(nn.Dense(3), 2, **options)


def crossing_shortcuts():
    """Return a graph that is not made of chains and branches."""
    layers = {"f": nn.Dense(3), "sum": Add(), "g": nn.Dense(3), "product": Multiply(), "both": Concatenate()}
    sources = {"f": ["input"], "sum": ["input", "f"], "g": ["sum"], "product": ["g", "f"], "both": ["product", "input"]}
    return nn.Graph(layers, sources)


def crossed(a):
    f = dense(a, "f.")
    return np.concatenate([dense(a, "g.", a.x + f) * f, a.x], -1)


def times_mean():
    """Return a product of arrays of different shapes."""
    layers = {"mean": nn.AvgPool1D(4), "product": Multiply()}
    return nn.Graph(layers, {"mean": ["input"], "product": ["input", "mean"]})


def heads():
    return nn.Heads(nn.Sequential(a=nn.Dense(4), b=nn.Tanh(), c=nn.Dense(2)), b=nn.Dense(3))


def trunk(a):
    return dense(a, "trunk.c.", refconv.tanh(dense(a, "trunk.a.")))


def trunk_and_head(a):
    return np.concatenate([trunk(a), dense(a, "head_b.", refconv.tanh(dense(a, "trunk.a.")))], -1)


def used_four_times():
    """Return four uses of one layer that is dropped in some of them."""
    return nn.Concat(*[nn.StochasticDepth(nn.Dense(2), 0.5)] * 4)


def four_draws(a):
    """Compute four uses; each draws the next random number from the built layer's generator."""
    rng = np.random.default_rng(np.random.default_rng(SEED).integers(2**63))
    return np.concatenate([dense(a, "0.0.") * int(rng.random() < 0.5) for _ in range(4)], -1)


def frozen(layer, shape):
    """Build a layer, freeze it and return it."""
    layer.build(shape, 0, np.float64)
    return layer.freeze()


def dense_norm_inference(a):
    """Compute a dense layer and its batch normalisation in inference."""
    return refconv.batch_norm_inference(dense(a, "0."), *(a.arrays[f"1.{name}"] for name in ("gamma", "beta", "mean", "var")))


def conv_relu_pool():
    """Return layers that the kernels fuse."""
    return nn.Sequential(nn.Conv2D(3, (3, 2), padding="same"), nn.ReLU(), nn.MaxPool2D(2))


def conv_norm_relu():
    return nn.Sequential(nn.Conv2D(3, (2, 3), bias=False), nn.BatchNorm(), nn.ReLU())


def scaled_and_shifted(a):
    """Return the output of ChannelAffine((2, −0.5), (0.25, 3))."""
    return np.stack([2 * a.x[..., 0] + 0.25, 3 - 0.5 * a.x[..., 1]], -1)


MOVING = (
    row("nn.Identity", "A23", "y = x", case(lambda: nn.Identity(), (4, 2), lambda a: a.x), nature="linear"),
    row(
        "nn.Flatten",
        "",
        "y[(i·W + j)·C + c] = x[i,j,c]",
        case(lambda: nn.Flatten(), (2, 4, 3), lambda a: a.x.reshape(len(a.x), -1)),
        nature="linear",
    ),
    row(
        "nn.Select",
        "M2",
        "y[k] = x[channels[k]]",
        case(lambda: nn.Select([2, 0]), (4, 3), lambda a: a.x[..., [2, 0]]),
        nature="linear",
    ),
    row(
        "nn.PadChannels",
        "A23",
        "y[c] = x[c], zero beyond",
        case(lambda: nn.PadChannels(6), (2, 3, 4), lambda a: np.concatenate([a.x, 0 * a.x[..., :2]], -1)),
        case(lambda: nn.PadChannels(4), (4,), lambda a: a.x),
        nature="linear",
    ),
    row(
        "nn.ChannelAffine",
        "A21",
        "y[c] = scale[c]·x[c] + shift[c]",
        case(lambda: nn.ChannelAffine((2, -0.5), (0.25, 3)), (3, 2), scaled_and_shifted),
        nature="smooth",  # its numbers are floating-point numbers
    ),
    row(
        "nn.Crop2D",
        "M16",
        "y[i,j,c] = x[i + top, j + left, c]",
        case(lambda: nn.Crop2D(((1, 0), (2, 1))), (3, 5, 2), lambda a: a.x[:, 1:, 2:-1]),
        case(lambda: nn.Crop2D((0, 1), **FIRST), (3, 2, 5), lambda a: a.x[..., 1:-1]),
        nature="linear",
    ),
    row(
        "nn.GlobalMaxPool1D",
        "A11, B5",
        "y[c] = max_u x[u,c]",
        case(lambda: nn.GlobalMaxPool1D(), (4, 2), lambda a: refconv.max_pool1d(a.x, 4)[:, 0]),
        case(lambda: nn.GlobalMaxPool1D(**FIRST), (2, 4), lambda a: refconv.max_pool1d(a.x, 4, **FIRST)[..., 0]),
    ),
    row(
        "nn.GlobalMaxPool2D",
        "A11, B5",
        "y[c] = max_{u,v} x[u,v,c]",
        case(lambda: nn.GlobalMaxPool2D(), (4, 3, 2), lambda a: refconv.max_pool2d(a.x, (4, 3))[:, 0, 0]),
        case(lambda: nn.GlobalMaxPool2D(**FIRST), (2, 4, 3), lambda a: refconv.max_pool2d(a.x, (4, 3), **FIRST)[..., 0, 0]),
    ),
    row(
        "nn.P4GroupPool",
        "D9",
        "y[i,j,c] = max_r x[i,j,r,c], or the mean",
        case(lambda: nn.P4GroupPool(), (2, 3, 4, 1), lambda a: over_rotations(a, refconv.max_pool2d)),
        case(lambda: nn.P4GroupPool("mean"), (3, 1, 4, 2), lambda a: over_rotations(a, refconv.avg_pool2d)),
    ),
    row(
        "nn.P4MaxPool2D",
        "D9, A11",
        "y[i,j,r,c] = max_{m,n} x[i·k + m, j·k + n, r, c]",
        case(lambda: nn.P4MaxPool2D(2), (2, 4, 4, 1), lambda a: each_rotation(a, lambda x: refconv.max_pool2d(x, 2))),
        case(lambda: nn.P4MaxPool2D(1), (1, 2, 4, 3), lambda a: a.x),
    ),
    row(
        "nn.P4BatchNorm",
        "D9, A13, A15, A16",
        "y[b,i,j,r,c] = γ[c] · (x[b,i,j,r,c] − μ[c]) / √(σ²[c] + ε) + β[c]",
        case(lambda: nn.P4BatchNorm(), (1, 1, 4, 1), p4_norm, batch=1),  # more symbols take minutes
        case(lambda: nn.P4BatchNorm(eps=0.5), (2, 1, 4, 3), p4_norm_inference, train=False),
        drawn=(case(lambda: nn.P4BatchNorm(), (3, 2, 4, 5), p4_norm),),
        nature="smooth",
    ),
)

BRANCHES = (
    row(
        "nn.Sequential",
        "",
        "y = f_n(… f_1(x))",
        case(
            lambda: nn.Sequential(nn.Dense(4), nn.Tanh(), nn.Dense(2)),
            (3,),
            lambda a: dense(a, "2.", refconv.tanh(dense(a, "0."))),
        ),
        case(lambda: frozen(nn.Sequential(nn.Dense(4), nn.BatchNorm()), (3,)), (3,), dense_norm_inference, trained=True),
        drawn=(
            case(conv_relu_pool, (5, 4, 2), lambda a: refconv.max_pool2d(refconv.relu(conv(a, "0.", padding="same")), 2)),
            case(conv_norm_relu, (4, 5, 2)),
            case(conv_norm_relu, (4, 5, 2), train=False),
        ),
        nature="smooth",
    ),
    row(
        "nn.Sum",
        "A23",
        "y = Σ_k f_k(x)",
        case(
            lambda: nn.Sum(nn.Conv2D(2, (3, 2), padding="same"), nn.Identity()),
            (2, 3, 2),
            lambda a: conv(a, "0.", padding="same") + a.x,
        ),
        case(
            lambda: nn.Sum(nn.Dense(4), nn.Sequential(nn.Dense(2), nn.Dense(4))),
            (3,),
            lambda a: dense(a, "0.") + dense(a, "1.1.", dense(a, "1.0.")),
        ),
        case(lambda: nn.Sum(nn.Identity(), nn.Identity()), (3,), lambda a: a.x + a.x),
    ),
    row(
        "nn.Mean",
        "M13",
        "y = Σ_k f_k(x) / K",
        case(lambda: nn.Mean(nn.Identity(), nn.Dense(3)), (3,), lambda a: (a.x + dense(a, "1.")) * 0.5),
        case(
            lambda: nn.Mean(nn.Identity(), nn.Dense(2), nn.Tanh()),
            (2,),
            lambda a: (a.x + dense(a, "1.") + refconv.tanh(a.x)) * (1 / 3),
        ),
        nature="smooth",
    ),
    row(
        "nn.Concat",
        "M7, M14",
        "y = (f_1(x), …, f_K(x)) along the channels",
        case(
            lambda: nn.Concat(nn.Conv2D(3, 1), nn.Identity(), nn.Conv2D(1, 1)),
            (3, 2, 2),
            lambda a: np.concatenate([conv(a, "0."), a.x, conv(a, "2.")], -1),
        ),
        case(
            lambda: nn.Concat(nn.Conv2D(3, 1, **FIRST), nn.Identity(), axis=0),
            (2, 3, 4),
            lambda a: np.concatenate([conv(a, "0.", **FIRST), a.x], 1),
        ),
        case(lambda: nn.Concat(nn.Identity(), nn.Identity()), (3,), lambda a: np.concatenate([a.x, a.x], -1)),
    ),
    row(
        "nn.Graph",
        "",
        "layers connected in any way without cycles",
        case(crossing_shortcuts, (3,), crossed),
        drawn=(case(times_mean, (4, 2), lambda a: a.x * a.x.mean(1, keepdims=True)),),
    ),
    row(
        "nn.StochasticDepth",
        "B8",
        "y = s · f(x), s = 1 or 0 in training, s = p in inference",
        case(used_four_times, (3,), four_draws),
        case(lambda: nn.StochasticDepth(nn.Dense(2), 0.75), (4,), lambda a: dense(a, "0.") * 0.75, train=False),
        case(lambda: nn.StochasticDepth(nn.Dense(2), survival=1.0), (4,), lambda a: dense(a, "0.")),
        drawn=(case(lambda: nn.StochasticDepth(nn.Dense(2), 0.5), (3,)),),
        nature="smooth",
    ),
    row(
        "nn.Fractal",
        "M13",
        "f_{C+1}(x) = f_C(f_C(x)) ⊕ layer(x)",
        case(two_columns, (4,), fractal),
        case(lambda: two_columns(drop=0.4), (4,), fractal, train=False),
        drawn=(
            case(lambda: two_columns(drop=0.4), (4,)),
            case(lambda: nn.Fractal(nn.Dense(2), 3, drop=0.6), (3,)),
        ),
        nature="smooth",
    ),
    row(
        "nn.DropPath",
        "M13",
        "the network, or in training one of its columns",
        case(lambda: nn.DropPath(two_columns(), share=0.0), (4,), lambda a: fractal(a, "network.")),
        case(lambda: nn.DropPath(two_columns(), share=1.0), (4,), lambda a: fractal(a, "network."), train=False),
        drawn=(case(lambda: nn.DropPath(two_columns(), share=1.0), (4,)),),
        nature="smooth",
    ),
    row(
        "nn.Heads",
        "",
        "y = (scores, head_1, …) in training, the scores in inference",
        case(heads, (5,), trunk_and_head),
        case(heads, (5,), trunk, train=False),
        nature="smooth",
    ),
)

CELL_LAYERS = (
    row(
        "models.SCells",
        "M1",
        "u[i,j,k] = r · max(0, (1 + Σ a·x) / (1 + 2r/(1+r) · b[k]·v[i,j]) − 1)",
        case(lambda: models.SCells(3, (2, 3), selectivity=1.5), (4, 5, 2), positive=("a", "b")),
        case(lambda: models.SCells(2, 3, padding="same"), (3, 4, 1), positive=("a", "b")),
        nature="smooth",
        family="cells",
        without=(
            "symbolic",
            "adjoint",
        ),  # numpy.sqrt accepts neither symbols nor Python floats in object arrays
    ),
    row(
        "models.CCells",
        "M1",
        "u[i,j,k] = ψ((1 + s[i,j,k]) / (1 + Σ_k' s[i,j,k'] / K) − 1)",
        case(lambda: models.CCells((3, 2), stride=(2, 1), padding="same"), (5, 4, 3), positive=("x",)),
        case(lambda: models.CCells(2, saturation=0.7), (3, 4, 2), positive=("x",)),
        nature="smooth",
        family="cells",
        without=("symbolic",),  # numpy.maximum does not accept sums of symbols
    ),
)

COMBINATORS = (*MOVING, *BRANCHES, *CELL_LAYERS)
