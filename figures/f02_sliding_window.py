"""F2: a window slides over the image, through all its channels, and each filter turns what it sees into one number.

    python figures/f02_sliding_window.py --show

A colour image of 5×5 pixels with a ring of zeros, two filters of 3×3×3 weights, stride 2: the setting of the slide, with a
picture of our own. At each place the filter is laid over the three channels, entry times entry; all 27 products and the
bias add up to one pixel of that filter's output. Numbers and sums are those of ``conv2d`` and ``im2col``. Source: F2, A7, B1.
"""

import canvas
import numpy as np
from arithmetic import PRODUCT, filled, padded, signed
from cells import board, cells, frame
from matplotlib.colors import to_rgb

from refconv import Window, conv2d, im2col

SKY, RED, PINK, DARK = (0, 1, 2), (2, 0, 0), (2, 1, 1), (1, 0, 1)
HEART = [
    [SKY, RED, SKY, RED, SKY],
    [RED, PINK, RED, RED, DARK],
    [RED, RED, RED, RED, DARK],
    [SKY, RED, RED, DARK, SKY],
    [SKY, SKY, DARK, SKY, SKY],
]
CHANNELS = {"red": "#E3533B", "green": "#3E9E5B", "blue": "#3E7CC4"}
FILTERS = ("#F9DCC9", "#FCEFC7")
STRIDE, PADDING = 2, 1
LEFT = (0, 7.8, 15.6)  # of the channels
OUTPUTS = ((24.2, 1.2), (24.2, 5.5))


def draw():
    """Each output pixel in turn, first of one filter, then of the other."""
    rng = np.random.default_rng(3)
    x = np.array(HEART, float)
    w = rng.integers(-1, 2, (3, 3, 3, 2)).astype(float)
    bias = np.array([1.0, -1.0])
    y = conv2d(x[None], w, bias, stride=STRIDE, padding=PADDING)[0]
    read = im2col(x[None], (3, 3), stride=STRIDE, padding=PADDING).T.reshape(*y.shape[:2], 3, 3, 3)
    products = read[..., None] * w + 0.0  # no −0
    assert np.array_equal(products.sum(axis=(2, 3, 4)) + bias, y)

    frames, done = [], [set(), set()]
    for i, j in np.ndindex(y.shape[:2]):
        for o in range(2):
            done[o].add((i, j))
            figure = canvas.canvas("Each output pixel is one look through all channels")
            axes = board(figure, 27.2, 14)
            _image(axes, x, i, j)
            _sum(axes, w[..., o], products[i, j, ..., o], bias[o], y[i, j, o], o)
            for k in range(2):
                now, colours = (i, j) if k == o else None, dict.fromkeys(done[k], FILTERS[k])
                filled(axes, y[..., k], OUTPUTS[k], done[k], now=now, colours=colours, size=13, label=f"output {k + 1}")
            frames.append(figure)
    return canvas.Animation(frames, [1200] * (len(frames) - 1) + [4000])


def _image(axes, x, i, j):
    """The three channels, each pixel the paler the less it has of the colour, and the window on all of them."""
    pads = Window((3, 3), STRIDE, PADDING).pads(x.shape[:2])
    for c, (name, colour) in enumerate(CHANNELS.items()):
        tints = {(u + 1, v + 1): _tint(colour, x[u, v, c] / 2) for u, v in np.ndindex(x.shape[:2])}
        padded(axes, x[..., c], pads, (LEFT[c], 1.2), colours=tints, size=13, label=name)
        frame(axes, (LEFT[c] + j * STRIDE, 1.2 + i * STRIDE), 3, 3, canvas.ORANGE)


def _tint(colour, strength):
    return tuple(1 - 0.55 * strength * (1 - part) for part in to_rgb(colour))


def _sum(axes, w, products, bias, y, o):
    """Filter and products below each channel, and the line that adds everything up."""
    top, line = 9.7, 13.5
    for c, left in enumerate(LEFT):
        cells(axes, w[..., c], (left, top), fill=FILTERS[o], label=f"filter {o + 1}")
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
