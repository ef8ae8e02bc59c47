"""Rows of optimisers and gradient clipping.

A row tests the class: steps for several parameters, with a learning rate that changes between steps. This includes the loop of
the update and its kernel. Each definition is written in NumPy from the formula, for one parameter.
"""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
from hypothesis import strategies as st

from refconv.verify.case import Case
from refconv.verify.catalogue.steps import definition, parameters, step_cases, steps, trained
from refconv.verify.operator import Operator, Pin

__all__ = ["UPDATES"]


def sgd(theta, g, o, memory):
    """Return θ after one step of SGD.

    A12: v ← μ·v − λ·α·θ − α·∂L/∂θ, then θ ← θ + v, or θ ← θ + μ·v − λ·α·θ − α·∂L/∂θ (Nesterov).
    """
    descent = o.weight_decay * o.lr * theta + o.lr * g
    v = o.momentum * memory.get("v", 0) - descent
    memory["v"] = v
    return theta + (o.momentum * v - descent if o.nesterov else v)


def rmsprop(theta, g, o, memory):
    """Return θ after one step of RMSProp.

    A20: s ← ρ·s + (1 − ρ)·h², v ← μ·v − α·h / √(s + ε) or α·h / (√s + ε), θ ← θ + v.
    """
    h = g + o.weight_decay * theta
    s = o.rho * memory.get("s", 0) + (1 - o.rho) * h**2
    root = square_root(s + o.eps) if o.eps_inside_sqrt else square_root(s) + o.eps
    v = o.momentum * memory.get("v", 0) - o.lr * h / root
    memory.update(s=s, v=v)
    return theta + v


def adam(theta, g, o, memory):
    """Return θ after one step of Adam.

    Kingma and Ba, algorithm 1: m and s are running means of h and h², divided by the sum of their weights.
    """
    h = g + o.weight_decay * theta
    m = o.beta1 * memory.get("m", 0) + (1 - o.beta1) * h
    s = o.beta2 * memory.get("s", 0) + (1 - o.beta2) * h**2
    memory.update(m=m, s=s)
    return theta - o.lr * (m / (1 - o.beta1**o.t)) / (square_root(s / (1 - o.beta2**o.t)) + o.eps)


def adamw(theta, g, o, memory):
    """Return θ after one step of AdamW.

    Loshchilov and Hutter, algorithm 2: θ is multiplied by 1 − α·λ, and m and s do not include weight decay.
    """
    decayed = (1 - o.lr * o.weight_decay) * theta
    return decayed + adam(theta, g, SimpleNamespace(**{**vars(o), "weight_decay": 0}), memory) - theta


def square_root(array):
    """Return √ of each element, which is a float or a symbol."""
    if array.dtype != object:
        return np.sqrt(array)
    import sympy

    return array ** sympy.Rational(1, 2)


RATES = (Fraction(1, 7), Fraction(2, 5))  # α of two steps; the second step depends on the state after the first
DECAY = {"weight_decay": Fraction(1, 11)}


SHAPES = ((1, 2), (1,), (1, 1, 1, 1), (1,), (1,))


def row(name, loop, ids, formula, update, cases, fixed, worked, **defaults):
    """Return the row of an optimiser.

    Two steps are proved for all parameters, gradients, learning rates and other numbers. ``defaults`` are the documented
    defaults of the constructor, except for weight decay.
    """
    return Operator(
        name=f"optim.{name}",
        family="update",
        ids=ids,
        formula=formula,
        forward=trained,
        derivatives=(),
        fixed=tuple(steps(SHAPES, {"lr": RATES, **DECAY, **options}) for options in fixed),
        cases=cases,
        nature="smooth",
        draws=30,
        worked=worked,
        definition=definition(update, {"weight_decay": 0.0, "decayed": "all", **defaults}),
        loops=(loop,),
    )


def by_hand(description, w, b, expected, **options):
    """Return an example with one element in w and b, each given as (initial value, *gradients)."""
    arrays = {"w": [w[:1]], "b": b[:1], "dw": np.reshape(w[1:], (-1, 1, 1)), "db": np.reshape(b[1:], (-1, 1))}
    return Pin(description, arrays, {"y": expected}, options)


SLIDE = dict(lr=(0.01, 0.02), momentum=0.9, weight_decay=0.0005, nesterov=False)
ROOTS = dict(lr=(0.75, 1.5), rho=0.75, momentum=0.5, weight_decay=0.25)

UPDATES: tuple[Operator, ...] = (
    row(
        "SGD",
        "sgd",
        "A12",
        "v ← μ·v − α·(g + λ·θ); θ ← θ + v",
        sgd,
        lambda: step_cases({"momentum": [0.0, 0.5, 0.9]}, nesterov=[False, True]),
        (
            dict(momentum=Fraction(3, 5), nesterov=False, decayed="all"),
            dict(momentum=Fraction(3, 5), nesterov=True, decayed="weights"),
        ),
        (
            # v = −0.020015 and −0.004995, then 0.00195670015 and −0.04448545005
            by_hand("v ← 0.9·v − 0.0005·α·θ − α·∂L/∂θ", (3, 2, -1), (-1, 0.5, 2), [2.98194170015, -1.04948045005], **SLIDE),
            by_hand("biases do not decay", (3, 2, -1), (-1, 0.5, 2), [2.98194170015, -1.0495], decayed="weights", **SLIDE),
            by_hand("Nesterov", (3, 2, -1), (0, 0, 0), [2.9837030725415, 0], **{**SLIDE, "nesterov": True}),
            # 3 − 0.5·2 + 0.25·1 and −1 − 0.5·0.5 − 0.25·2
            by_hand("no momentum and no weight decay by default", (3, 2, -1), (-1, 0.5, 2), [2.25, -1.75], lr=(0.5, 0.25)),
            Pin(
                "convolution kernels decay like weights, and frozen parameters do not change",
                {
                    "w": [[4]],
                    "b": [4],
                    "k": [[[[4]]]],
                    "early": [4],
                    "late": [4],
                    "dw": [[[1]], [[2]]],
                    "dk": [[[[[1]]]], [[[[2]]]]],
                    **{name: [[1], [2]] for name in ("db", "dearly", "dlate")},
                },
                # 4 − 0.5·(1 + 0.25·4) = 3, then 3 − 0.5·(2 + 0.25·3); without decay 3.5, then 2.5
                {"y": [1.625, 2.5, 1.625, 4, 3.5]},
                dict(lr=(0.5, 0.5), momentum=0.0, nesterov=False, weight_decay=0.25, decayed="weights"),
            ),
        ),
        momentum=0.0,
        nesterov=False,
    ),
    row(
        "RMSProp",
        "rmsprop",
        "A20",
        "h = g + λ·θ; s ← ρ·s + (1 − ρ)·h²; v ← μ·v − α·h / √(s + ε); θ ← θ + v",
        rmsprop,
        lambda: step_cases({"rho": [0.0, 0.9], "momentum": [0.0, 0.9], "eps": [1.0, 0.125]}, eps_inside_sqrt=[True, False]),
        tuple(
            dict(rho=Fraction(2, 3), momentum=Fraction(3, 5), eps=Fraction(1, 3), eps_inside_sqrt=inside, decayed=decayed)
            for inside, decayed in ((True, "all"), (False, "weights"))
        ),
        (
            # h = 4 and −4, then 2 and 2; s = 4 both times: √(4 + 5) = √4 + 1 = 3
            by_hand("ε under the root", (4, 3, 1.25), (2, -4.5, 1.25), [1.5, 2.5], eps=5, eps_inside_sqrt=True, **ROOTS),
            by_hand("ε outside the root", (4, 3, 1.25), (2, -4.5, 1.25), [1.5, 2.5], eps=1, eps_inside_sqrt=False, **ROOTS),
            # s = 0.1·400/9, so √(s + 1) = 7/3 and v = −0.7·(20/3)/(7/3) = −2, then −0.9·2
            by_hand(
                "the lecture's μ = 0.9 and ε = 1",
                (10, 20 / 3, 0),
                (-10, -20 / 3, 0),
                [6.2, -6.2],
                lr=(0.7, 0.7),
                momentum=0.9,
                eps=1.0,
            ),
            # s = 0.1·6e-7, so √(s + 1e-7) = 4e-4, and the second step, whose gradient is 0, changes nothing
            by_hand(
                "ρ = 0.9, μ = 0 and ε = 10⁻⁷ by default",
                (10, 6e-7**0.5, 0),
                (-10, -(6e-7**0.5), 0),
                [10 - 0.5 * 6e-7**0.5 / 4e-4, -10 + 0.5 * 6e-7**0.5 / 4e-4],
                lr=(0.5, 0.5),
            ),
        ),
        rho=0.9,
        momentum=0.0,
        eps=1e-7,
        eps_inside_sqrt=True,
    ),
    row(
        "Adam",
        "adam",
        "",
        "m ← β₁·m + (1 − β₁)·h; s ← β₂·s + (1 − β₂)·h²; θ ← θ − α · m/(1 − β₁ᵗ) / (√(s/(1 − β₂ᵗ)) + ε)",
        adam,
        lambda: step_cases({"beta1": [0.0, 0.9], "beta2": [0.5, 0.99], "eps": [1.0, 0.125]}),
        (
            dict(beta1=Fraction(2, 3), beta2=Fraction(3, 4), eps=Fraction(1, 3), decayed="all"),
            dict(beta1=Fraction(2, 3), beta2=Fraction(3, 4), eps=Fraction(1, 3), decayed="weights"),
        ),
        (
            # h = 3 and −3, then −3 and 3: after bias correction the means of h are 3, then −1, and the means of h² are 9
            by_hand(
                "h changes its sign",
                (4, 2, -3.625),
                (-8, -1, 4.625),
                [3.5, -7.5],
                lr=(2, 4),
                beta1=0.5,
                beta2=0.75,
                eps=1,
                weight_decay=0.25,
            ),
            # The corrected means of a constant gradient are h and h²: each step is 4·3/(3 + 1), or 4·1/(1 + 1).
            by_hand(
                "six equal gradients",
                (20, *[3] * 6),
                (-10, *[-1] * 6),
                [2, 2],
                lr=(4,) * 6,
                beta1=0.75,
                beta2=0.875,
                eps=1,
            ),
            # The means of 3 and −1 are 3, then 0.17/0.19, and the means of the squares are 9, then 9.991/1.999. With a
            # gradient of ε, each step is α/2.
            by_hand(
                "β₁ = 0.9, β₂ = 0.999 and ε = 10⁻⁸ by default",
                (5, 3, -1),
                (2, 1e-8, 1e-8),
                [5 - 3 / (3 + 1e-8) - 17 / 19 / ((9991 / 1999) ** 0.5 + 1e-8), 1],
                lr=(1, 1),
            ),
        ),
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
    ),
    row(
        "AdamW",
        "adamw",
        "",
        "m ← β₁·m + (1 − β₁)·g; s ← β₂·s + (1 − β₂)·g²; θ ← θ − α · (m/(1 − β₁ᵗ) / (√(s/(1 − β₂ᵗ)) + ε) + λ·θ)",
        adamw,
        lambda: step_cases({"beta1": [0.0, 0.9], "beta2": [0.5, 0.99], "eps": [1.0, 0.125]}),
        (
            dict(beta1=Fraction(2, 3), beta2=Fraction(3, 4), eps=Fraction(1, 3), decayed="all"),
            dict(beta1=Fraction(2, 3), beta2=Fraction(3, 4), eps=Fraction(1, 3), decayed="weights"),
        ),
        (
            # α·λ = ½: 4 becomes 2 − 2·3/4, then 0.5 becomes 0.25 − 2·3/4; −8 becomes −4 + 2·1/2, then −3 becomes −1.5 + 2·1/2
            by_hand(
                "weight decay separate from two equal gradients",
                (4, 3, 3),
                (-8, -1, -1),
                [-1.25, -0.5],
                lr=(2, 2),
                beta1=0.5,
                beta2=0.75,
                eps=1,
                weight_decay=0.25,
            ),
            # With gradients of ε, each step is α/2, and weight decay with α = 1 subtracts 1 % of θ.
            by_hand(
                "β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸ and λ = 0.01 by default",
                (5, 1e-8, 1e-8),
                (2, 1e-8, 1e-8),
                [0.99 * (0.99 * 5 - 0.5) - 0.5, 0.99 * (0.99 * 2 - 0.5) - 0.5],
                lr=(1, 1),
            ),
        ),
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        weight_decay=0.01,
    ),
)


def clipped(clip, a):
    """Return both gradients after clipping, flattened, followed by the returned norm."""
    theta = parameters(a)
    for parameter in theta.values():
        parameter.grad[...] = parameter.value
    norm = clip(theta, **a.options)
    return np.concatenate([*(parameter.grad.ravel() for parameter in theta.values()), np.array([norm], a.w.dtype)])


def clip_definition(a):
    """Return g · min(1, max_norm / ‖g‖), with the norm of all gradients together."""
    g = np.concatenate([a.w.ravel(), a.b.ravel()])
    norm = np.sqrt(np.sum(g * g, dtype=np.float64))
    scale = min(1.0, a.options["max_norm"] / norm) if norm else 1.0
    return {"y": np.append(g * g.dtype.type(scale), g.dtype.type(norm))}


def gradients(w, b, max_norm):
    """Return the case of two gradients of these shapes."""
    return Case({"w": w, "b": (b,)}, {"max_norm": max_norm})


MATRICES = st.tuples(st.integers(1, 4), st.integers(1, 4))

UPDATES += (
    Operator(
        name="optim.clip_by_global_norm",
        family="update",
        ids="A20",
        formula="g ← g · min(1, max_norm / ‖g‖)",
        forward=clipped,
        derivatives=(),
        fixed=(gradients((2, 3), 4, 2.0), gradients((1, 2), 1, 50.0)),
        cases=lambda: st.builds(gradients, MATRICES, st.integers(1, 5), st.sampled_from([0.5, 2.0, 50.0])),
        nature="smooth",
        draws=20,
        worked=(
            Pin("13 becomes 6.5", {"w": [[3, -4]], "b": [12]}, {"y": [1.5, -2, 6, 13]}, {"max_norm": 6.5}),
            Pin("13 is not above 20", {"w": [[3, -4]], "b": [12]}, {"y": [3, -4, 12, 13]}, {"max_norm": 20}),
        ),
        definition=clip_definition,
        loops=("sum_of_squares",),
        without=("symbolic",),  # the norm is always a float, even for symbols
    ),
)
