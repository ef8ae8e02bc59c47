"""F21: four normalisations use one formula and average over different axes.

    python figures/f21_normalised_axes.py --show

Each block is an array of 5 examples n, 6 channels c and 4 positions m. The output at the dot is normalised by the mean and the
variance of the blue elements. refconv finds these as the inputs that change this output, ∂y/∂x ≠ 0. Batch normalisation
averages over examples and positions, so its output depends on the other examples. Layer, instance and group normalisation
average within one example, over all channels, one channel, or a group of two channels. Source: lecture rows D4, A13 and A16
(SOURCES.md).
"""

import canvas
import numpy as np
from matplotlib.patches import Polygon

import refconv

N, M, C = 5, 4, 6
AT = (0, 1, 2)  # example, position and channel of the output
GROUPS = 3
DEPTH = np.array([0.45, 0.35])  # of one example, in the drawing; y points up


def influences(name, **options):
    """Return where elements of the input change the output at AT: a Boolean array (N, M, C)."""
    x, gamma, beta = np.random.default_rng(0).normal(size=(N, M, C)), np.ones(C), np.zeros(C)
    _, mean, var = getattr(refconv, name)(x, gamma, beta, **options)
    dy = np.zeros_like(x)
    dy[AT] = 1
    grads = refconv.batch_norm_grads if name == "batch_norm" else refconv.group_norm_grads
    dx, _, _ = grads(dy, x=x, gamma=gamma, mean=mean, var=var)
    return dx != 0


NORMS = {
    "batch": influences("batch_norm"),
    "layer": influences("layer_norm"),
    "instance": influences("instance_norm"),
    "group": influences("group_norm", groups=GROUPS),
}


def corner(c, m, n):
    """Return the position of a corner: channels go to the right, examples to the back."""
    return np.array([c, M - m]) + n * DEPTH


def block(axes, blue):
    """Draw the front, the top and the right side of an array."""
    faces = [(0, m, c, [(c, m, 0), (c + 1, m, 0), (c + 1, m + 1, 0), (c, m + 1, 0)]) for m in range(M) for c in range(C)]
    faces += [(n, 0, c, [(c, 0, n), (c + 1, 0, n), (c + 1, 0, n + 1), (c, 0, n + 1)]) for n in range(N) for c in range(C)]
    faces += [(n, m, C - 1, [(C, m, n), (C, m, n + 1), (C, m + 1, n + 1), (C, m + 1, n)]) for n in range(N) for m in range(M)]
    for n, m, c, corners in faces:
        colour = canvas.SKY if blue[n, m, c] else "white"
        axes.add_patch(Polygon([corner(*at) for at in corners], facecolor=colour, edgecolor=canvas.GREY, linewidth=0.9))
    n, m, c = AT
    axes.plot(*corner(c + 0.5, m + 0.5, n), "o", color=canvas.ORANGE, markersize=9)


def draw():
    """Draw one block for each normalisation."""
    figure = canvas.canvas("One formula: the blue elements share a mean and a variance", height=3.3)
    for axes, (name, blue) in zip(figure.subplots(1, len(NORMS)), NORMS.items(), strict=True):
        block(axes, blue)
        axes.set(xlim=(-0.9, C + N * DEPTH[0] + 0.2), ylim=(-1.0, M + N * DEPTH[1] + 0.2), aspect="equal")
        axes.set_axis_off()
        axes.set_title(f"{name} norm", fontsize=15, weight="bold")
        text = {"ha": "center", "va": "center", "color": canvas.INK, "fontsize": 13}
        axes.text(C / 2, -0.6, "channels c", **text)
        axes.text(-0.55, M / 2, "positions m", rotation=90, **text)
        axes.text(*corner(C + 0.45, M + 0.55, N / 2), "examples n", rotation=38, **{**text, "fontsize": 11})
    return figure


if __name__ == "__main__":
    canvas.main(draw)
