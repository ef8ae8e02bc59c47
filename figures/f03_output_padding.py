"""F3, output_padding: it selects one of two possible sizes of a transposed convolution.

    python figures/f03_output_padding.py --show

With a 3×3 filter, stride 2 and padding 1, images of 5×5 and of 6×6 pixels both become 3×3: no window reaches the last row
and column of the larger image with its padding. So the transposed convolution cannot derive the original size from its
input. The stamps are the same for both sizes; with output_padding = 1, one more row and column of them are kept at the end.
Source: lecture rows F3, C1 and C3 (SOURCES.md).
"""

import canvas
import numpy as np
from arithmetic import FILTER, PRODUCT, SIZE, WINDOW, Sliding, filled, grid, padded
from cells import board, cells, frame

from refconv import Window, conv_transpose2d

WINDOW_OF = Window((3, 3), stride=2, padding=1)
BOARDS = ((0, 1.2), (12.6, 1.2))
MIDDLE = 8.3  # left edge of the column between the boards
BELOW = 10.9
SMALL = 14


def draw():
    """Draw nine windows on both images, then nine stamps on both outputs."""
    rng = np.random.default_rng(7)
    x, w = rng.integers(0, 5, (6, 6)).astype(float), np.array([[1.0, 2, 0], [0, 1, -1], [2, -1, 1]])
    slides = [Sliding(x[:n, :n], w, WINDOW_OF) for n in (5, 6)]
    pixels = list(np.ndindex(3, 3))
    frames = [_window(slides, pixels[: number + 1]) for number in range(9)]

    y = rng.integers(1, 6, (3, 3)).astype(float)
    for number in range(9):
        stamped = np.arange(9.0).reshape(3, 3) <= number
        frames.append(_stamp(y, stamped.astype(float), w, pixels[number]))
    return canvas.Animation(frames, [1100] * 8 + [3500] + [1500] * 8 + [5000])


def transposed(x, w, **options):
    """Compute the transposed convolution of one channel with stride 2."""
    return conv_transpose2d(x[None, :, :, None], w[:, :, None, None], stride=WINDOW_OF.stride, **options)[0, :, :, 0]


def _window(slides, done):
    figure = canvas.canvas("5×5 and 6×6 pixels both shrink to 3×3")
    axes, now = board(figure, 20.8, 14), done[-1]
    cells(axes, slides[0].w, (MIDDLE, 3), fill=FILTER, size=SMALL, label="filter")
    axes.text(MIDDLE + 1.5, 7.4, "stride 2\npadding 1", ha="center", va="center", fontsize=SMALL)
    for (left, top), sliding in zip(BOARDS, slides, strict=True):
        size = "×".join(map(str, sliding.x.shape))
        read = dict.fromkeys(sliding.taps(now), WINDOW)
        padded(axes, sliding.x, sliding.pads, (left, top), colours=read, size=SMALL, label=f"{size} pixels")
        u, v = sliding.corner(now)
        frame(axes, (left + v, top + u), 3, 3, canvas.ORANGE)
        cells(axes, sliding.products(now), (left, BELOW), fill=PRODUCT, size=SMALL, label="products")
        axes.text(left + 3.5, BELOW + 1.5, "→", ha="center", va="center", fontsize=SMALL + 3)
        filled(axes, sliding.y, (left + 4, BELOW), done, now=now, size=SMALL, label="sums")
    note = "no window reaches\nthe last row and\ncolumn on the right"
    axes.text(MIDDLE + 1.5, BELOW + 1.5, note, ha="center", va="center", fontsize=12, color=canvas.GREY)
    return figure


def _stamp(y, stamped, w, now):
    """Draw one stamp; ``stamped`` is 1 at the input pixels that were stamped so far, else 0."""
    figure = canvas.canvas("output_padding selects one of the two sizes")
    axes = board(figure, 20.8, 14)
    cells(axes, y, (MIDDLE, 1.2), colours={now: WINDOW}, size=SMALL, label="input")
    cells(axes, w, (MIDDLE, 5.7), fill=FILTER, size=SMALL, label="× filter")
    cells(axes, y[now] * w + 0.0, (MIDDLE, 10.2), fill=PRODUCT, size=SMALL, label="= stamp")
    u, v = (2 * i for i in now)
    stamps = transposed(stamped, np.ones_like(w))[u : u + 3, v : v + 3]  # how many stamps cover each pixel of the current one
    under = {(u + m, v + n): PRODUCT if stamps[m, n] == 1 else canvas.SKY for m, n in np.ndindex(w.shape)}
    for (left, top), extra in zip(BOARDS, (0, 1), strict=True):
        size = WINDOW_OF.transposed_output_size(y.shape, extra)
        everything = transposed(y * stamped, w, output_padding=extra)
        real = np.pad(np.ones(size, bool), WINDOW_OF.pads(size))
        assert np.array_equal(everything[real].reshape(size), transposed(y * stamped, w, padding=1, output_padding=extra))
        grid(axes, everything, real, (left, top), colours=under, size=SMALL, label=f"output_padding = {extra}")
        frame(axes, (left + v, top + u), 3, 3, canvas.ORANGE)
        frame(axes, (left + 1, top + 1), *size, canvas.INK)
        note = f"keeps {size[0]}×{size[1]}"
        axes.text(left + 1 + size[1] / 2, BELOW, note, ha="center", va="center", fontsize=SIZE + 2)
    return figure


if __name__ == "__main__":
    canvas.main(draw)
