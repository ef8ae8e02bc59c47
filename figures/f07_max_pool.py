"""F7: max pooling keeps the maximum of each window, and only the maximum gets the gradient.

    python figures/f07_max_pool.py --show

Left, windows of 3×3 pixels with stride 2, so that they overlap: the 9 is the maximum of two windows and gets the sum of
their gradients, 2 + 3; pixels that are not a maximum get 0. Right, the slide's example without overlap, with max pooling and
with average pooling. ``max_pool2d_with_argmax``, ``max_pool2d_dx`` and ``avg_pool2d`` compute the numbers. Source: lecture
rows F7, A11, B5 and C9 (SOURCES.md).
"""

import canvas
import numpy as np
from arithmetic import arrow
from cells import board, cells
from matplotlib.patches import Polygon, Rectangle

from refconv import avg_pool2d, max_pool2d, max_pool2d_dx, max_pool2d_with_argmax

EDGES = {(0, 0): canvas.BLUE, (0, 1): canvas.ORANGE, (1, 0): canvas.GREEN, (1, 1): canvas.PURPLE}  # of each output's window
FILLS = {(0, 0): "#B9DAF0", (0, 1): "#F8CDB0", (1, 0): "#B5E3D2", (1, 1): "#EFD0E0"}
X = [[1, 3, 2, 0, 4], [5, 2, 9, 1, 3], [0, 4, 1, 6, 2], [7, 1, 3, 2, 8], [2, 0, 5, 4, 1]]
SLIDE = [[1, 0, 3, 5], [3, 4, 2, 2], [1, 3, 3, 9], [5, 7, 8, 4]]
FORWARD, BACKWARD = 2.2, 9.2  # rows
SIZE = 14


def draw():
    """Draw the forward pass above, the backward pass below, and the slide's example beside them."""
    figure = canvas.canvas("Only the maximum of each window gets the gradient")
    axes = board(figure, 25.6, 14.4)
    _with_overlap(axes)
    _without_overlap(axes, (17, FORWARD))
    return figure


def _with_overlap(axes):
    x, dy = np.array(X, float), np.array([[2.0, 3], [-1, 4]])
    y, argmax = (out[0, :, :, 0] for out in max_pool2d_with_argmax(x[None, :, :, None], (3, 3), stride=2))
    dx = max_pool2d_dx(dy[None, :, :, None], argmax[None, :, :, None], x.shape)[0, :, :, 0]
    winners = {}
    for output, place in np.ndenumerate(argmax):
        winners.setdefault(tuple(map(int, np.unravel_index(place, x.shape))), []).append(output)

    axes.text(0, 0.4, "windows of 3×3, stride 2: they overlap", va="center", fontsize=15)
    _maxima(axes, x, winners, (0, FORWARD), "$x$")
    for number, ((i, j), colour) in enumerate(EDGES.items()):
        inset = 0.05 + 0.05 * number  # so that no frame hides another
        corner, side = (2 * j + inset, FORWARD + 2 * i + inset), 3 - 2 * inset
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=2.5, joinstyle="round"))
    arrow(axes, (5.7, FORWARD + 2.5), (9.3, FORWARD + 2.5))
    axes.text(7.5, FORWARD + 2.2, "maximum", ha="center", va="bottom", fontsize=SIZE)
    cells(axes, y, (10, FORWARD + 1.5), colours=FILLS, size=SIZE, label="$y$")
    _maxima(axes, dx, winners, (0, BACKWARD), "∂e/∂x")
    arrow(axes, (9.3, BACKWARD + 2.5), (5.7, BACKWARD + 2.5))
    axes.text(7.5, BACKWARD + 2.2, "to maximum", ha="center", va="bottom", fontsize=SIZE)
    twice = next(pixel for pixel, outputs in winners.items() if len(outputs) == 2)
    shares = " + ".join(f"{dy[output]:g}" for output in winners[twice])
    sums = f"maximum {x[twice]:g}:\n{shares} = {dx[twice]:g}"
    axes.text(7.5, BACKWARD + 2.8, sums, ha="center", va="top", fontsize=SIZE - 1)
    cells(axes, dy, (10, BACKWARD + 1.5), colours=FILLS, size=SIZE, label="∂e/∂y")


def _maxima(axes, values, winners, at, label):
    """Draw a matrix whose maxima have the colours of the windows that they belong to."""
    colours = {pixel: FILLS[outputs[0]] for pixel, outputs in winners.items()}
    cells(axes, values, at, colours=colours, size=SIZE, label=label)
    for (u, v), outputs in winners.items():
        if len(outputs) == 2:
            left, top = at[0] + v, at[1] + u
            corners = [(left + 1, top), (left + 1, top + 1), (left, top + 1)]
            axes.add_patch(Polygon(corners, facecolor=FILLS[outputs[1]], edgecolor="none"))
            axes.add_patch(Rectangle((left, top), 1, 1, fill=False, edgecolor=canvas.GREY, linewidth=0.8))


def _without_overlap(axes, at):
    left, top = at
    x = np.array(SLIDE, float)
    largest = max_pool2d(x[None, :, :, None], (2, 2))[0, :, :, 0]
    mean = avg_pool2d(x[None, :, :, None], (2, 2))[0, :, :, 0]
    axes.text(left, 0.4, "windows of 2×2, stride 2", va="center", fontsize=15)
    quarters = {(u, v): FILLS[u // 2, v // 2] for u, v in np.ndindex(x.shape)}
    cells(axes, x, (left + 1.5, top + 0.5), colours=quarters, size=SIZE, label="$x$")
    arrow(axes, (left + 2.5, top + 5.1), (left + 1.4, BACKWARD - 0.3))
    arrow(axes, (left + 4.5, top + 5.1), (left + 5.6, BACKWARD - 0.3))
    cells(axes, largest, (left, BACKWARD + 1.5), colours=FILLS, size=SIZE, label="maximum")
    cells(axes, mean, (left + 5, BACKWARD + 1.5), colours=FILLS, size=SIZE, label="mean")


if __name__ == "__main__":
    canvas.main(draw)
