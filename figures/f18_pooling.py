"""F18: the larger the pooling window, the less a small shift changes the output.

    python figures/f18_pooling.py --show

On the left, an F and the same F one pixel further to the right, after a convolution with a kernel that responds to vertical
edges, and then after max pooling. On the right, how much the pooled output changes when the F moves, averaged over 64 start
positions: the norm of the difference, in percent of the norm of the output. Global pooling does not change at all. Pooling
does not compensate for shifts that are larger than its window. Source: lecture rows F18, A11 and C10 (SOURCES.md).
"""

import canvas
import numpy as np
from f18_equivariance import convolved, letter

from refconv import max_pool2d, relu

WINDOWS = {1: "not pooled", 2: "2 × 2", 4: "4 × 4", 8: "8 × 8", 40: "whole image"}
SHOWN, FARTHEST, PHASES = (1, 2, 4), 4, 8
CROP = slice(4, 36)  # pixels around the F


def response(right=0, down=0):
    """Return the convolution of a shifted F after ReLU."""
    return relu(convolved(np.roll(letter(), (down, right), (0, 1))))


def pooled(answer, window):
    return max_pool2d(answer[None, :, :, None], window)[0, :, :, 0]


def change(window, shift, places):
    """Return the mean change of the pooled output by a shift, in percent, over the start places."""
    changes = []
    for right, down in places:
        before, after = pooled(response(right, down), window), pooled(response(right + shift, down), window)
        changes.append(100 * np.linalg.norm(after - before) / np.linalg.norm(before))
    return np.mean(changes)


def draw():
    """Draw pictures of one shift on the left and curves of all shifts on the right."""
    figure = canvas.canvas("The larger the pooling window, the less a small shift shows")
    left, right = figure.subfigures(1, 2, width_ratios=[1.6, 1], wspace=0.03)
    panels = left.subplots(2, len(SHOWN))
    for column, window in enumerate(SHOWN):
        answers = [pooled(response(shift), window) for shift in (0, 1)]
        for row, (axes, answer) in enumerate(zip(panels[:, column], answers, strict=True)):
            part = slice(CROP.start // window, CROP.stop // window)
            axes.imshow(answer[part, part], cmap="Oranges", vmin=0, vmax=answers[0].max())
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(True)
            if not column:
                axes.set_ylabel("shifted by 1 pixel" if row else "not shifted", color=canvas.INK)
        panels[0, column].set_title(WINDOWS[window], fontsize=14, weight="bold")
        panels[1, column].set_xlabel(f"changed by {change(window, 1, [(0, 0)]):.0f} %", color=canvas.INK, fontsize=12)
    _curves(right.subplots())
    return figure


def _curves(axes):
    shifts, places = range(FARTHEST + 1), [(right, down) for right in range(PHASES) for down in range(PHASES)]
    colours = (canvas.GREY, canvas.SKY, canvas.BLUE, canvas.GREEN, canvas.ORANGE)
    for (window, name), colour in zip(WINDOWS.items(), colours, strict=True):
        changes = [change(window, shift, places) for shift in shifts]
        axes.plot(shifts, changes, "o-", color=colour, markersize=5)
        beside = 8, {1: 6, 2: -6}.get(window, 0)
        axes.annotate(
            name, (FARTHEST, changes[-1]), beside, textcoords="offset points", va="center", color=colour, fontsize=12
        )
    axes.set(xlabel="shift in pixels", ylabel="change in %", xticks=shifts, ylim=(-4, None))
    axes.set_title("on average", fontsize=14, weight="bold")


if __name__ == "__main__":
    canvas.main(draw)
