"""F8: activations and their derivatives: at most 1 for ReLU, at most 1/4 for the sigmoid.

    python figures/f08_activations.py --show

``relu_dx`` and the other derivative functions, called with ∂e/∂y = 1, give the derivatives; central differences of the
functions agree with them. The dashed lines show the factor of the gradient in the backward pass: through twenty sigmoids the
gradient shrinks to 1/4²⁰ at best, through twenty active ReLUs not at all. A leaky ReLU and an ELU pass some gradient below
0. Source: lecture rows F8 and B6 (SOURCES.md).
"""

import canvas
import numpy as np

import refconv

X = np.linspace(-4, 4, 401)
FUNCTIONS = {
    "ReLU": (r"$\max(0,\, x)$", refconv.relu, refconv.relu_dx),
    "leaky ReLU": (r"$\max(0.1\, x,\, x)$", refconv.leaky_relu, refconv.leaky_relu_dx),
    "ELU": (r"$x$, below 0:  $e^x - 1$", refconv.elu, refconv.elu_dx),
    "sigmoid": (r"$1 \,/\, (1 + e^{-x})$", refconv.sigmoid, refconv.sigmoid_dx),
    "tanh": (r"$(e^x - e^{-x}) \,/\, (e^x + e^{-x})$", refconv.tanh, refconv.tanh_dx),
}
FROM_OUTPUT = ("sigmoid", "tanh")  # their derivatives are polynomials of y


def derivative(name):
    """Return f′ on X, after a check against central differences everywhere but at the kink at 0."""
    _, f, f_dx = FUNCTIONS[name]
    slope = f_dx(np.ones_like(X), **({"y": f(X)} if name in FROM_OUTPUT else {"x": X}))
    smooth = np.abs(X) > 1e-6
    assert np.allclose(slope[smooth], ((f(X + 1e-6) - f(X - 1e-6)) / 2e-6)[smooth], atol=1e-6)
    return slope


def draw():
    """Draw each function with its derivative."""
    figure = canvas.canvas("Activation functions and their derivatives")
    *panels, last = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    for axes, (name, (formula, f, _)) in zip(panels, FUNCTIONS.items(), strict=True):
        slope, kink = derivative(name), np.argmin(np.abs(X))
        (value,) = axes.plot(X, f(X), color=canvas.BLUE)
        for side in (slice(None, kink), slice(kink + 1, None)):  # two parts, because some derivatives jump at 0
            (back,) = axes.plot(X[side], slope[side], color=canvas.ORANGE, linestyle=(0, (3, 1)))
        axes.set_title(name, weight="bold", loc="left", fontsize=14)
        axes.text(-3.8, 2.15, formula, fontsize=12, va="center", bbox={"facecolor": "white", "edgecolor": "none", "pad": 2})
        axes.grid(color=canvas.PALE)
        axes.set(xlim=(-4, 4), ylim=(-1.3, 2.5), xticks=range(-4, 5, 2), yticks=range(-1, 3))
    _marks(panels)
    last.set_axis_off()
    labels = [
        "the function: $f(x)$",
        "its derivative: $f\\,'(x)$;\n$\\partial e/\\partial x = f\\,'(x)\\; \\partial e/\\partial y$",
    ]
    last.legend([value, back], labels, loc="center", fontsize=14, labelspacing=1.2, handlelength=2.6)
    for axes in (panels[2], *panels[3:]):
        axes.set_xlabel("input $x$")
        axes.tick_params(labelbottom=True)
    for axes in (panels[0], panels[3]):
        axes.set_ylabel("value")
    return figure


def _marks(panels):
    """Mark the values of the derivatives that are worth learning by heart."""
    for axes, place, text, beside in (
        (panels[0], (3.0, 1.0), "1", (-3, -19)),
        (panels[1], (-2.4, 0.1), "0.1", (-8, 8)),
        (panels[3], (0.0, 0.25), "¼ at most", (-22, -34)),
        (panels[4], (0.0, 1.0), "1 at most", (-38, 9)),
    ):
        axes.plot(*place, "o", color=canvas.ORANGE, markersize=6)
        axes.annotate(text, place, beside, textcoords="offset points", color=canvas.ORANGE, fontsize=13, weight="bold")


if __name__ == "__main__":
    canvas.main(draw)
