"""Drawing functions shared by the sliding-window animations.

They draw the padded image, the window on it, the products under the window, and the output so far.
"""

from dataclasses import dataclass

import numpy as np
from canvas import GREY, INK, ORANGE, PALE, SKY
from cells import cells, frame, signed
from matplotlib.patches import Rectangle

from refconv import Window, conv2d, im2col

WINDOW, FILTER, PRODUCT = "#C9E4F6", "#F9DCC9", "#D9F0E8"  # pale blue, orange and green
PENDING = "#F4F4F4"  # an output that is not computed yet
SIZE = 16  # points, of the numbers


@dataclass(frozen=True)
class Sliding:
    """Convolution of one channel x (H, W) with one filter w (kh, kw), step by step.

    It gives the pixels, the products and the sum of each output pixel.
    """

    x: np.ndarray
    w: np.ndarray
    window: Window

    @property
    def options(self):
        """Stride, padding and dilation as keyword arguments of refconv's operators."""
        return dict(stride=self.window.stride, padding=self.window.padding, dilation=self.window.dilation)

    @property
    def y(self):
        """Output of the layer (rows, columns)."""
        return conv2d(self.x[None, :, :, None], self.w[:, :, None, None], **self.options)[0, :, :, 0]

    @property
    def pads(self):
        """Zeros before and after the image along each axis, as pairs of counts."""
        return self.window.pads(self.x.shape)

    def products(self, pixel):
        """Return the products under the window: each pixel times its weight."""
        columns = im2col(self.x[None, :, :, None], self.window.kernel, **self.options)
        products = columns[:, np.ravel_multi_index(pixel, self.y.shape)].reshape(self.w.shape) * self.w
        assert products.sum() == self.y[pixel]
        return products + 0.0  # turns −0 into 0

    def corner(self, pixel):
        """Return the top-left pixel of the window, in coordinates of the padded image."""
        return tuple(i * S for i, S in zip(pixel, self.window.stride, strict=True))

    def taps(self, pixel):
        """Return all pixels that an output pixel reads, in coordinates of the padded image."""
        (u, v), (kh, kw), (D_h, D_w) = self.corner(pixel), self.window.kernel, self.window.dilation
        return [(u + m * D_h, v + n * D_w) for m in range(kh) for n in range(kw)]


def draw_step(axes, sliding, pixel, image_at, filter_at, *, pads=None, real=None, labels=("input", "filter")):
    """Draw the image with the window of one output pixel, the filter, the products and the sum.

    ``pads`` is the padding to draw if it is smaller than the actual padding. ``real`` is True at pixels and False at
    zeros inserted between pixels.
    """
    ((up, _down), (before, _after)), drawn = sliding.pads, pads or sliding.pads
    hidden = up - drawn[0][0], before - drawn[1][0]
    read = {(u - hidden[0], v - hidden[1]): WINDOW for u, v in sliding.taps(pixel)}
    at = image_at[0] + hidden[1], image_at[1] + hidden[0]
    padded(axes, sliding.x, drawn, at, real=real, colours=read, label=labels[0])
    (u, v), (height, width) = sliding.corner(pixel), sliding.window.span
    frame(axes, (image_at[0] + v, image_at[1] + u), height, width, ORANGE)

    left, top = filter_at
    kh, kw = sliding.window.kernel
    cells(axes, sliding.w, filter_at, fill=FILTER, size=SIZE, label=labels[1])
    cells(axes, sliding.products(pixel), (left, top + kh + 1.5), fill=PRODUCT, size=SIZE, label="products")
    axes.text(left + kw / 2 - 0.2, top + 2 * kh + 2.3, "sum", ha="right", va="center", fontsize=SIZE)
    cells(axes, [[sliding.y[pixel]]], (left + kw / 2, top + 2 * kh + 1.8), fill=SKY, size=SIZE)


def padded(axes, x, pads, at, *, real=None, colours=None, size=SIZE, label=None):
    """Draw an image with its zero padding (see :func:`grid`)."""
    real = np.pad(np.ones(x.shape, bool) if real is None else real, pads)
    grid(axes, np.pad(x, pads), real, at, colours=colours, size=size, label=label)


def grid(axes, values, real, at, *, colours=None, size=SIZE, label=None):
    """Draw a matrix; cells that are not ``real`` pixels are grey with dashed edges."""
    left, top = at
    for pixel in sorted(np.ndindex(values.shape), key=lambda pixel: real[pixel]):  # solid edges are drawn over dashed ones
        colour = (colours or {}).get(pixel, "white" if real[pixel] else PALE)
        edge = dict(edgecolor=GREY) if real[pixel] else dict(edgecolor="#B5B5B5", linestyle=(0, (2, 2)))
        corner = left + pixel[1], top + pixel[0]
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, linewidth=0.8, **edge))
        write = dict(ha="center", va="center", fontsize=size, color=INK if real[pixel] or pixel in (colours or {}) else GREY)
        axes.text(corner[0] + 0.5, corner[1] + 0.52, signed(values[pixel]), **write)
    if label:
        axes.text(left + values.shape[1] / 2, top - 0.3, label, ha="center", va="bottom", fontsize=size + 1)


def filled(axes, y, at, done, *, now=None, size=SIZE, label=None, colours=None):
    """Draw the output so far: pixels in ``done`` have numbers, ``now`` is highlighted."""
    fills = {pixel: PENDING for pixel in np.ndindex(y.shape) if pixel not in done} | (colours or {})
    if now is not None:
        fills[now] = SKY
    values = [[y[i, j] if (i, j) in done else None for j in range(y.shape[1])] for i in range(y.shape[0])]
    cells(axes, values, at, colours=fills, size=size, label=label)


def arrow(axes, start, end):
    """Draw an arrow between two positions on the board."""
    style = dict(arrowstyle="-|>,head_width=0.3,head_length=0.5", color=INK, linewidth=1.8, shrinkA=0, shrinkB=0)
    axes.annotate("", end, start, arrowprops=style)
