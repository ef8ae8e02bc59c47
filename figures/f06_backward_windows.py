"""F6: both derivatives of a convolution are sliding windows, one over x and one over ∂e/∂z.

    python figures/f06_backward_windows.py --show

The slide's layer: one channel, a 3×3 filter whose indices go from −1 to 1, zeros around the image. The weight (i, j)
contributes to each z once, multiplied by the pixel that is (i, j) away from that z: so ∂e/∂w slides all of ∂e/∂z over the
image. A pixel contributes to the nine z around it; for the z below the pixel, the weight is in the filter's upper row. So
∂e/∂x slides the filter, rotated by 180°, over ∂e/∂z. ``conv2d_dw`` and ``conv2d_dx`` compute the numbers. Source: lecture rows
F6, B3 and B4 (SOURCES.md).
"""

import canvas
import numpy as np
from arithmetic import FILTER, PRODUCT, WINDOW, arrow, padded
from cells import board, cells, frame, sign

from refconv import conv2d_dw, conv2d_dx
from refconv.reference.conv import centred_correlation_dw, centred_correlation_dx

WEIGHT = (0, 1)  # the element (i, j) of the filter whose derivative is shown
PIXEL = (1, 2)  # the pixel (k, l) of the image whose derivative is shown
PADS = ((1, 1), (1, 1))
TOPS = (2.9, 10.7)
RIGHT = 23.2  # left edge of the derivatives


def draw():
    """Draw ∂e/∂w above and ∂e/∂x below, each as a window, an elementwise product and a sum."""
    rng = np.random.default_rng(39)
    x, w = rng.integers(0, 5, (3, 4)).astype(float), rng.integers(-1, 4, (3, 3)).astype(float)
    dz = rng.integers(-1, 3, x.shape).astype(float)
    dw = conv2d_dw(x[None, :, :, None], dz[None, :, :, None], (3, 3), padding=1)[:, :, 0, 0]
    dx = conv2d_dx(dz[None, :, :, None], w[:, :, None, None], x.shape, padding=1)[0, :, :, 0]
    assert np.array_equal(dw, centred_correlation_dw(x, dz, 1))
    assert np.array_equal(dx, centred_correlation_dx(dz, w))

    figure = canvas.canvas("Both derivatives are sliding windows")
    axes = board(figure, 27.4, 15.8)
    _by_weight(axes, x, dz, dw)
    _by_pixel(axes, dz, w, dx)
    return figure


def _by_weight(axes, x, dz, dw):
    (i, j), top, (H, W) = WEIGHT, TOPS[0], x.shape
    formula = r"$\dfrac{\partial e}{\partial w_{ij}} = \sum_{k,l}\;\dfrac{\partial e}{\partial z_{kl}}\; x_{k+i,\,l+j}$"
    _heading(axes, top, f"The weight $w_{{{i},{j}}}$ contributes to every $z$", formula)
    under = np.pad(x, 1)[i + 1 : i + 1 + H, j + 1 : j + 1 + W]
    read = {(i + 1 + k, j + 1 + l): WINDOW for k, l in np.ndindex(H, W)}
    padded(axes, x, PADS, (0, top), colours=read, size=13, label="$x$")
    frame(axes, (j + 1, top + i + 1), H, W, canvas.ORANGE)
    sign(axes, (7, top + 2.5), "×")
    cells(axes, dz, (8, top + 1), fill=FILTER, label="∂e/∂z")
    sign(axes, (14.3, top + 2.5), "=")
    _sum(axes, under * dz, (16.6, top + 1))
    assert (under * dz).sum() == dw[i + 1, j + 1]
    cells(axes, dw, (RIGHT, top + 1), colours={(i + 1, j + 1): canvas.SKY}, label="∂e/∂w")


def _by_pixel(axes, dz, w, dx):
    (k, l), top = PIXEL, TOPS[1]
    formula = r"$\dfrac{\partial e}{\partial x_{kl}} = \sum_{i,j}\;\dfrac{\partial e}{\partial z_{k+i,\,l+j}}\; w_{-i,\,-j}$"
    _heading(axes, top, f"The pixel $x_{{{k},{l}}}$ contributes to the nine $z$ around it", formula)
    under, rotated = np.pad(dz, 1)[k : k + 3, l : l + 3], w[::-1, ::-1]
    read = {(k + m, l + n): WINDOW for m, n in np.ndindex(3, 3)}
    padded(axes, dz, PADS, (0, top), colours=read, size=13, label="∂e/∂z")
    frame(axes, (l, top + k), 3, 3, canvas.ORANGE)
    sign(axes, (7, top + 2.5), "×")
    cells(axes, w, (8, top + 1), label="$w$")
    sign(axes, (11.7, top + 2.5), "↻")
    cells(axes, rotated, (12.4, top + 1), fill=FILTER, label="$w$, rotated")
    sign(axes, (16.3, top + 2.5), "=")
    _sum(axes, under * rotated, (17.6, top + 1))
    assert (under * rotated).sum() == dx[PIXEL]
    cells(axes, dx, (RIGHT, top + 1), colours={PIXEL: canvas.SKY}, label="∂e/∂x")


def _heading(axes, top, sentence, formula):
    axes.text(0, top - 2, sentence, va="center", fontsize=15)
    axes.text(RIGHT + 4, top - 1.9, formula, va="center", ha="right", fontsize=14)


def _sum(axes, products, at):
    """Draw the products, and an arrow to the derivative that is their sum."""
    columns = products.shape[1]
    cells(axes, products + 0.0, at, fill=PRODUCT, label="products")
    arrow(axes, (at[0] + columns + 0.4, at[1] + 1.5), (RIGHT - 0.4, at[1] + 1.5))
    axes.text((at[0] + columns + RIGHT) / 2, at[1] + 1.2, "sum", ha="center", va="bottom", fontsize=12)


if __name__ == "__main__":
    canvas.main(draw)
