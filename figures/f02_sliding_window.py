"""F2: a filter slides over the image and reduces each window of all channels to one number.

    python figures/f02_sliding_window.py --show

The example of the slide: an input of 5×5 pixels and 3 channels with one ring of zeros, two filters of 3×3×3 weights,
stride 2. At each position the filter is multiplied element by element with the three channels; the 27 products and the bias
add up to one pixel of that filter's output. The weights in pink frames (two of filter w0, one of w1) are corrected: the
slide prints 1, 1 and 0 instead of −1, and with those weights the layer does not give the slide's outputs. ``conv2d`` and
``im2col`` compute the numbers. Source: lecture rows F2, A7 and B1 (SOURCES.md).
"""

import canvas
import numpy as np
from arithmetic import PRODUCT, filled, padded, signed
from cells import board, cells, frame
from matplotlib.colors import to_rgb

from refconv import Window, conv2d, im2col
from refconv.verify.evidence.slide_example import PRINTED, slide_example

CHANNELS = ("#E3533B", "#3E9E5B", "#3E7CC4")
FILTERS = ("#F9DCC9", "#FCEFC7")
LEFT = (0, 7.8, 15.6)  # left edges of the channels
OUTPUTS = ((24.2, 1.2), (24.2, 5.5))


def draw():
    """Draw the computation of each output pixel, with both filters at each position."""
    x, w, bias, stride, padding, y = slide_example()
    assert np.array_equal(conv2d(x[None], w, bias, stride=stride, padding=padding)[0], y)
    read = im2col(x[None], (3, 3), stride=stride, padding=padding).T.reshape(*y.shape[:2], 3, 3, 3)
    products = read[..., None] * w + 0.0  # turns −0 into 0
    assert np.array_equal(products.sum(axis=(2, 3, 4)) + bias, y)

    frames, done = [], [set(), set()]
    for i, j in np.ndindex(y.shape[:2]):
        for o in range(2):
            done[o].add((i, j))
            figure = canvas.canvas("Each output pixel is a sum over one window of all channels")
            axes = board(figure, 27.2, 14)
            _image(axes, x, Window((3, 3), stride, padding), (i, j))
            _sum(axes, w[..., o], products[i, j, ..., o], bias[o], y[i, j, o], o)
            for k in range(2):
                now, colours = (i, j) if k == o else None, dict.fromkeys(done[k], FILTERS[k])
                filled(axes, y[..., k], OUTPUTS[k], done[k], now=now, colours=colours, size=13, label=f"o[:, :, {k}]")
            frames.append(figure)
    return canvas.Animation(frames, [1200] * (len(frames) - 1) + [4000])


def _image(axes, x, window, pixel):
    """Draw the three channels, each in shades of one colour, and the window on all of them."""
    (i, j), (S_h, S_w) = pixel, window.stride
    for c, colour in enumerate(CHANNELS):
        tints = {(u + 1, v + 1): _tint(colour, x[u, v, c] / 2) for u, v in np.ndindex(x.shape[:2])}
        padded(axes, x[..., c], window.pads(x.shape[:2]), (LEFT[c], 1.2), colours=tints, size=13, label=f"x[:, :, {c}]")
        frame(axes, (LEFT[c] + j * S_w, 1.2 + i * S_h), *window.kernel, canvas.ORANGE)


def _tint(colour, strength):
    return tuple(1 - 0.55 * strength * (1 - part) for part in to_rgb(colour))


def _sum(axes, w, products, bias, y, o):
    """Draw filter and products below each channel, and the sum in the last line."""
    top, line = 9.7, 13.5
    for c, left in enumerate(LEFT):
        cells(axes, w[..., c], (left, top), fill=FILTERS[o], label=f"w{o}[:, :, {c}]")
        for m, n, *at in PRINTED:
            if at == [c, o]:
                frame(axes, (left + n, top + m), 1, 1, canvas.PURPLE)
        axes.text(left + 3.5, top + 1.5, "→", ha="center", va="center", fontsize=16)
        cells(axes, products[..., c], (left + 4, top), fill=PRODUCT, label="products")
    cells(axes, [[bias]], (OUTPUTS[0][0] + 1, top), fill=FILTERS[o])
    axes.text(OUTPUTS[0][0] + 1.5, top - 0.3, "bias", ha="center", va="bottom", fontsize=14)

    places, terms = [left + 5.5 for left in LEFT] + [OUTPUTS[0][0]], [*products.sum(axis=(0, 1)), bias]
    write = dict(ha="center", va="center", fontsize=15)
    for k, (place, term) in enumerate(zip(places, terms, strict=True)):
        axes.text(place, line, signed(abs(term) if k else term), **write)
        if k:
            axes.text((places[k - 1] + place) / 2, line, "−" if term < 0 else "+", **write)
    axes.text(OUTPUTS[0][0] + 1, line, "=", **write)
    cells(axes, [[y]], (OUTPUTS[0][0] + 2, line - 0.52), fill=canvas.SKY)


if __name__ == "__main__":
    canvas.main(draw)
