"""F3, transposed: each input pixel stamps the filter onto the output, and where stamps overlap they add up.

    python figures/f03_transposed.py --show

A 3×3 filter, stride 2, padding 1: six pixels become fifteen. The stamps lie two pixels apart, and padding cuts off the edge
of what they cover. Then the same numbers once more in the other way: the input stuffed with zeros, the filter turned by 180°,
the window moving on by one pixel; most of its products are with a zero. Either way undoes the change of shape that a
convolution makes, not the change of values. Source: F3, C1, C2.
"""

import canvas
import numpy as np
from arithmetic import FILTER, PRODUCT, SIZE, WINDOW, Sliding, filled, grid, look
from cells import board, cells, frame, sign

from refconv import Window, conv_transpose2d, zero_stuff

STRIDE, PADDING = 2, 1
BOARD = (10, 1.2)  # where the stamps go
LINE = 8.1  # and what is computed below


def draw():
    """Six stamps, what padding leaves of them, and fifteen windows on the stuffed input."""
    x, w = np.array([[3.0, 1, 4], [6, 5, 2]]), np.array([[1.0, 2, 0], [0, 3, -1], [2, -1, 1]])
    y = transposed(x, w, PADDING)

    frames, covered = [], np.zeros_like(transposed(x, w, 0))
    stamps = np.zeros_like(covered)  # how many lie on each pixel
    for pixel in np.ndindex(x.shape):
        one = np.zeros_like(x)
        one[pixel] = 1
        before, covered = covered, covered + transposed(one * x, w, 0)
        stamps += transposed(one, np.ones_like(w), 0)
        frames.append(_stamp(x, w, before, covered, stamps, pixel))
    assert np.array_equal(covered[1:-1, 1:-1], y)
    frames.append(_cut(x, w, covered, y))
    milliseconds = [2400] * len(frames)

    done = []
    for pixel in np.ndindex(y.shape):
        done.append(pixel)
        frames.append(_window(x, w, y, done))
        milliseconds.append(1000)
    return canvas.Animation(frames, [*milliseconds[:-1], 4000])


def transposed(x, w, padding):
    """The transposed convolution of one channel."""
    return conv_transpose2d(x[None, :, :, None], w[:, :, None, None], stride=STRIDE, padding=padding)[0, :, :, 0]


def _board(x, title, now=None):
    figure = canvas.canvas(title)
    axes = board(figure, 18, 11.3)
    cells(axes, x, (0, 2.2), colours={now: WINDOW} if now else None, size=SIZE, label="input")
    axes.text(0, 5.2, f"stride {STRIDE}, padding {PADDING}", va="center", fontsize=SIZE - 1)
    return figure, axes


def _stamp(x, w, before, covered, stamps, pixel):
    figure, axes = _board(x, "Transposed convolution: each input pixel stamps the filter", pixel)
    u, v = (i * STRIDE for i in pixel)
    under = slice(u, u + w.shape[0]), slice(v, v + w.shape[1])
    inside = {(m, n): PRODUCT if stamps[under][m, n] == 1 else canvas.SKY for m, n in np.ndindex(w.shape)}
    colours = {(u + m, v + n): colour for (m, n), colour in inside.items()}
    grid(axes, covered, _kept(covered), BOARD, colours=colours, label="output so far")
    frame(axes, (BOARD[0] + v, BOARD[1] + u), *w.shape, canvas.ORANGE)

    cells(axes, [[x[pixel]]], (0, LINE + 1), fill=WINDOW, size=SIZE)
    sign(axes, (1.5, LINE + 1.5), "×")
    cells(axes, w, (2, LINE), fill=FILTER, size=SIZE, label="filter")
    sign(axes, (5.5, LINE + 1.5), "=")
    cells(axes, (covered - before)[under], (6, LINE), fill=PRODUCT, size=SIZE, label="stamp")
    sign(axes, (9.5, LINE + 1.5), "+")
    cells(axes, before[under], (10, LINE), size=SIZE, label="there before")
    sign(axes, (13.5, LINE + 1.5), "=")
    cells(axes, covered[under], (14, LINE), colours=inside, size=SIZE, label="there now")
    return figure


def _kept(covered):
    """Which pixels padding leaves."""
    kept = np.zeros(covered.shape, bool)
    kept[PADDING:-PADDING, PADDING:-PADDING] = True
    return kept


def _cut(x, w, covered, y):
    figure, axes = _board(x, "Transposed convolution: padding cuts the edge off")
    grid(axes, covered, _kept(covered), BOARD, label="output")
    frame(axes, (BOARD[0] + PADDING, BOARD[1] + PADDING), *y.shape, canvas.INK)
    for axis, name in enumerate(("rows", "columns")):
        n, k, grown = x.shape[axis], w.shape[axis], y.shape[axis]
        words = f"({n} − 1)·{STRIDE} + {k} − 2·{PADDING} = {grown} {name}"
        axes.text(0, LINE + 0.7 + 1.1 * axis, words, va="center", fontsize=SIZE)
    return figure


def _window(x, w, y, done):
    """The same output as a convolution with stride 1; its padding is what the filter reaches beyond the edge, less the cut."""
    stuffed, real = (zero_stuff(image[None, :, :, None], STRIDE)[0, :, :, 0] for image in (x, np.ones_like(x)))
    sliding = Sliding(stuffed, w[::-1, ::-1], Window(w.shape, padding=len(w) - 1 - PADDING))
    assert np.array_equal(sliding.y, y)
    figure = canvas.canvas("The same, as a convolution of the input stuffed with zeros")
    axes = board(figure, 18, 11.3)
    look(axes, sliding, done[-1], (0, 1.2), (9, 1.2), real=real == 1, labels=("input, stuffed", "filter, turned"))
    filled(axes, y, (13, 1.2), done, now=done[-1], label="output")
    cells(axes, y, (13, 7.1), size=SIZE, label="from the stamps")
    zeros = np.count_nonzero(~np.pad(real == 1, sliding.pads)[tuple(np.transpose(sliding.taps(done[-1])))])
    axes.text(0, 7.2, f"{zeros} of {w.size} products\nare with grey zeros", va="center", fontsize=SIZE - 1)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
