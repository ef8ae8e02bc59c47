"""F3, transposed: each input pixel stamps the filter onto the output; overlaps add up.

    python figures/f03_transposed.py --show

A 3×3 filter, stride 2, padding 1: six pixels become fifteen. The stamps are two pixels apart, and padding cuts off the edge
of the area that they cover. The second half computes the same numbers in another way: zeros are inserted between the input
pixels, the filter is rotated by 180°, and the window moves by one pixel; most products are with a zero. Both ways undo a
convolution's change of shape, not its change of values. Source: lecture rows F3, C1 and C2 (SOURCES.md).
"""

import canvas
import numpy as np
from arithmetic import FILTER, PRODUCT, SIZE, WINDOW, Sliding, draw_step, filled, grid
from cells import board, cells, frame, sign

from refconv import Window, conv_transpose2d, zero_stuff

STRIDE, PADDING = 2, 1
BOARD = (10, 1.2)  # position of the output with the stamps
LINE = 8.1  # top of the calculation below


def draw():
    """Draw six stamps, the part that padding keeps, and fifteen windows on the stuffed input."""
    x, w = np.array([[3.0, 1, 4], [6, 5, 2]]), np.array([[1.0, 2, 0], [0, 3, -1], [2, -1, 1]])
    y = transposed(x, w, PADDING)

    frames, covered = [], np.zeros_like(transposed(x, w, 0))
    stamps = np.zeros_like(covered)  # number of stamps on each pixel
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
    """Compute the transposed convolution of one channel."""
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
    cells(axes, before[under], (10, LINE), size=SIZE, label="before")
    sign(axes, (13.5, LINE + 1.5), "=")
    cells(axes, covered[under], (14, LINE), colours=inside, size=SIZE, label="after")
    return figure


def _kept(covered):
    """Return a mask of the pixels that padding keeps."""
    kept = np.zeros(covered.shape, bool)
    kept[PADDING:-PADDING, PADDING:-PADDING] = True
    return kept


def _cut(x, w, covered, y):
    figure, axes = _board(x, "Transposed convolution: padding cuts the edge off")
    grid(axes, covered, _kept(covered), BOARD, label="output")
    frame(axes, (BOARD[0] + PADDING, BOARD[1] + PADDING), *y.shape, canvas.INK)
    for axis, name in enumerate(("rows", "columns")):
        n, k, grown = x.shape[axis], w.shape[axis], y.shape[axis]
        formula = f"({n} − 1)·{STRIDE} + {k} − 2·{PADDING} = {grown} {name}"
        axes.text(0, LINE + 0.7 + 1.1 * axis, formula, va="center", fontsize=SIZE)
    return figure


def _window(x, w, y, done):
    """Draw the same output as a convolution of the zero-stuffed input, with padding k − 1 − P."""
    stuffed, real = (zero_stuff(image[None, :, :, None], STRIDE)[0, :, :, 0] for image in (x, np.ones_like(x)))
    sliding = Sliding(stuffed, w[::-1, ::-1], Window(w.shape, padding=len(w) - 1 - PADDING))
    assert np.array_equal(sliding.y, y)
    figure = canvas.canvas("The same, as a convolution of the zero-stuffed input")
    axes = board(figure, 18, 11.3)
    draw_step(axes, sliding, done[-1], (0, 1.2), (9, 1.2), real=real == 1, labels=("zero-stuffed input", "rotated filter"))
    filled(axes, y, (13, 1.2), done, now=done[-1], label="output")
    cells(axes, y, (13, 7.1), size=SIZE, label="from the stamps")
    zeros = np.count_nonzero(~np.pad(real == 1, sliding.pads)[tuple(np.transpose(sliding.taps(done[-1])))])
    axes.text(0, 7.2, f"{zeros} of {w.size} products\nare with grey zeros", va="center", fontsize=SIZE - 1)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
