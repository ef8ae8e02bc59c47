"""F18, p4: a p4 convolution commutes with rotations by 90°, a plain convolution does not.

    python figures/f18_p4.py --show

The kernel responds to edges with ink on the left: its left weights (purple) are positive, its right weights (orange) negative.
A p4 convolution uses it in four orientations r and has a map for each; here ReLU follows. Follow an arrow: if the input is
rotated by 90° anticlockwise, the map of the same colour is also rotated, and it moves from r to r + 1, or from 3 to 0. The
maximum over r removes the orientations; then only the rotation remains. The plain convolution finds other edges in the rotated
letter. Each difference compares the lower map with the rotated upper map, in percent of its norm. The script checks the same
for a second p4 convolution. ``p4_lift_conv2d``, ``p4_conv2d`` and ``conv2d`` compute the numbers. Source: lecture rows F18, D9
and C11 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016.
"""

import canvas
import numpy as np
from f18_equivariance import KERNEL, convolved, letter
from matplotlib.patches import ConnectionPatch

from refconv import nn, p4_conv2d, p4_lift_conv2d, relu

COLOURS = (canvas.BLUE, canvas.ORANGE, canvas.GREEN, canvas.PURPLE)  # of the maps of the upright letter
WIDTH, HEIGHT, SIDE, KERNEL_SIDE = 10, 5.6, 1.15, 0.68  # inches; SIDE is the edge of an image
INPUT, P4, MAXIMUM, PLAIN = 0.25, (1.8, 3.04, 4.28, 5.52), 7.08, 8.6  # left edges, in inches
UPPER, LOWER, KERNELS = 2.45, 0.5, 4.0  # lower edges, in inches


def lifted(image):
    """Return the four orientations r of a p4 convolution and ReLU: an array (H, W, 4)."""
    return relu(p4_lift_conv2d(image[None, :, :, None], KERNEL[:, :, None, None], padding="same")[0, ..., 0])


def rotated(y):
    """Return a function on p4, rotated by 90°.

    Each map is rotated, and the four maps are shifted by one orientation.
    """
    return np.roll(np.rot90(y), 1, axis=2)


def strongest(y):
    """Return the maximum over the four orientations: an array (H, W)."""
    return nn.P4GroupPool()(y[None, ..., None])[0, ..., 0]


def difference(first, then):
    """Return the norm of the difference, in percent of the norm of the second array."""
    return 100 * np.linalg.norm(first - then) / np.linalg.norm(then)


def draw():
    """Draw the maps of a letter and of the rotated letter below each other."""
    x = letter()
    turned = np.rot90(x)
    upper, lower = lifted(x), lifted(turned)
    plain = [relu(convolved(image)) for image in (x, turned)]
    _check(upper, lower)
    figure = canvas.canvas("A p4 convolution also commutes with rotations by 90°", WIDTH, HEIGHT)
    figure.set_layout_engine("none")  # the arrows connect fixed places
    _kernels(figure)
    answers = {"cmap": canvas.SHADES, "vmin": 0, "vmax": upper.max()}
    _pair(figure, INPUT, (x, turned), "rotated\nby 90°", cmap="Greys")
    for r, colour in enumerate(COLOURS):
        _show(figure, (P4[r], UPPER), upper[..., r], colour, **answers)
        _show(figure, (P4[(r + 1) % 4], LOWER), lower[..., (r + 1) % 4], colour, **answers)
        _arrow(figure, P4[r], P4[(r + 1) % 4], colour)
    _pair(figure, MAXIMUM, (strongest(upper), strongest(lower)), "rotated", **answers)
    _pair(figure, PLAIN, plain, "not\nrotated", canvas.GREY, **answers)
    for left, numbers in (
        ((P4[0] + P4[3]) / 2, (lower, rotated(upper))),
        (MAXIMUM, (strongest(lower), np.rot90(strongest(upper)))),
        (PLAIN, (plain[1], np.rot90(plain[0]))),
    ):
        _text(figure, left + SIDE / 2, LOWER - 0.22, f"difference: {difference(*numbers):.0f} %", fontsize=12)
    return figure


def _check(upper, lower):
    """Raise AssertionError unless one and two p4 convolutions are equivariant to the rotation."""
    w = np.random.default_rng(0).normal(size=(3, 3, 4, 1, 1))
    second_upper, second_lower = (p4_conv2d(y[None, ..., None], w, padding="same")[0, ..., 0] for y in (upper, lower))
    assert np.allclose(lower, rotated(upper))
    assert np.allclose(second_lower, rotated(second_upper))


def _kernels(figure):
    """Draw the kernel in the orientation of each column, and the headings."""
    indent = (SIDE - KERNEL_SIDE) / 2
    for r, left in enumerate((*P4, PLAIN)):
        options = {"side": KERNEL_SIDE, "cmap": canvas.DIVERGING, "vmin": -0.35, "vmax": 0.35}
        _show(figure, (left + indent, KERNELS), np.rot90(KERNEL, r % 4), **options)
        if left != PLAIN:
            _text(figure, left + SIDE / 2, UPPER + SIDE + 0.15, f"$r$ = {r}")
    for left, heading in (
        (INPUT, "input"),
        ((P4[0] + P4[3]) / 2, "p4 convolution: one kernel in four orientations $r$"),
        (MAXIMUM, "maximum\nover $r$"),
        (PLAIN, "plain\nconvolution"),
    ):
        _text(figure, left + SIDE / 2, KERNELS + 0.9, heading)


def _pair(figure, left, images, change, colour=canvas.GREY, **options):
    """Draw images for the upright and the rotated letter, with an arrow between them."""
    for bottom, image in zip((UPPER, LOWER), images, strict=True):
        _show(figure, (left, bottom), image, **options)
    _arrow(figure, left, left, colour)
    _text(figure, left + SIDE / 2 + 0.1, (UPPER + LOWER + SIDE) / 2, change, ha="left", fontsize=11)


def _arrow(figure, left, to, colour):
    """Draw an arrow from an image of the upper row to one of the lower row."""
    start, end = ((left + SIDE / 2, UPPER - 0.04), (to + SIDE / 2, LOWER + SIDE + 0.04))
    scaled = [(x / WIDTH, y / HEIGHT) for x, y in (start, end)]
    patch = ConnectionPatch(*scaled, "figure fraction", arrowstyle="-|>", mutation_scale=16, color=colour, linewidth=2)
    figure.add_artist(patch)


def _show(figure, at, image, colour=canvas.GREY, side=SIDE, **options):
    axes = figure.add_axes([at[0] / WIDTH, at[1] / HEIGHT, side / WIDTH, side / HEIGHT])
    axes.imshow(image, **options)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=colour, linewidth=1 if colour == canvas.GREY else 3)


def _text(figure, x, y, text, **options):
    options = {"ha": "center", "va": "center", "fontsize": 13, "color": canvas.INK, **options}
    figure.text(x / WIDTH, y / HEIGHT, text, **options)


if __name__ == "__main__":
    canvas.main(draw)
