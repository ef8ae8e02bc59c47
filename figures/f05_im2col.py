"""F5: im2col writes each window as a column; the convolution is one matrix product.

    python figures/f05_im2col.py --show

``im2col`` computes the columns. Before drawing, the script checks that the product equals the output of ``conv2d``.
Source: lecture rows F5 and B2 (SOURCES.md).
"""

import canvas
import numpy as np
from cells import board, cells, frame, sign

from refconv import conv2d, im2col

SHOWN = (1, 1)  # the output pixel whose window is marked
FILTERS = ("#F9DCC9", "#FCEFC7")


def draw():
    """Draw the image, the filters as rows, the windows as columns, and the product."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, 8, (1, 3, 5, 1)).astype(float)
    w = rng.integers(-2, 3, (2, 3, 1, 2)).astype(float)
    rows, columns = w.reshape(-1, 2).T, im2col(x, (2, 3))
    y = conv2d(x, w)
    assert np.array_equal(rows @ columns, y.reshape(-1, 2).T)

    figure = canvas.canvas("im2col: a convolution is one matrix product")
    axes = board(figure, 23, 13.2)
    i, j = SHOWN
    column = i * y.shape[2] + j
    for o, left in enumerate((0, 4)):
        cells(axes, w[:, :, 0, o], (left, 1.5), fill=FILTERS[o], label=f"filter {o + 1}")
        cells(axes, y[0, :, :, o], (15.5 + left, 1.5), colours={SHOWN: canvas.SKY}, size=11, label=f"output {o + 1}")
    cells(axes, x[0, :, :, 0], (8.5, 1.5), label="image")
    frame(axes, (8.5 + j, 1.5 + i), 2, 3, canvas.ORANGE)

    cells(axes, rows, (0, 8.5), colours={(o, k): FILTERS[o] for o in range(2) for k in range(6)}, label="a filter is a row")
    sign(axes, (7, 9.5), "·")
    cells(axes, columns, (8, 6.5), label="a window is a column")
    frame(axes, (8 + column, 6.5), 6, 1, canvas.ORANGE)
    sign(axes, (15, 9.5), "=")
    cells(
        axes,
        rows @ columns,
        (16, 8.5),
        colours={(o, column): canvas.SKY for o in range(2)},
        size=11,
        label="an output is a row",
    )
    return figure


if __name__ == "__main__":
    canvas.main(draw)
