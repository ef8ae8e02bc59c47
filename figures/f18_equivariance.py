"""F18: a convolution commutes with shifts, but not with rotations or zooms.

    python figures/f18_equivariance.py --show

Each row compares two orders, from left to right: change the image and convolve it, or convolve it and change the result. The
kernel responds to vertical edges. In the rotated letter it finds other edges; in the enlarged letter, the edges that it finds
are narrower relative to the letter. The number is the norm of the difference, in percent of the norm of the convolution.
Source: lecture rows F18, C8 and C11 (SOURCES.md).
"""

import canvas
import numpy as np

from refconv import conv2d
from refconv.analysis.gabor import gabor
from refconv.data.resample import resample

SIZE, SHIFT, ZOOM = 40, (5, -7), 1.7
KERNEL = gabor(7, wavelength=6, direction=0, phase=np.pi / 2)


def letter():
    """Return an image of an F with a margin: no rotation or reflection maps an F onto itself."""
    image = np.zeros((SIZE, SIZE))
    for rows, columns in ((slice(11, 29), slice(14, 17)), (slice(11, 14), slice(14, 27)), (slice(18, 21), slice(14, 24))):
        image[rows, columns] = 1
    return image


def convolved(image):
    return conv2d(image[None, :, :, None], KERNEL[:, :, None, None], padding="same")[0, :, :, 0]


def zoomed(image):
    """Return the image enlarged about its centre."""
    places = (np.arange(SIZE) - (SIZE - 1) / 2) / ZOOM + (SIZE - 1) / 2
    return resample(image, places, places)


CHANGES = {
    "shifted": lambda image: np.roll(image, SHIFT, (0, 1)),  # only zeros wrap around
    "rotated": np.rot90,
    "enlarged": zoomed,
}


def draw():
    """Draw a row for each change."""
    figure = canvas.canvas("Convolution commutes with shifts, not with rotations or zooms")
    x, y = letter(), convolved(letter())
    panels = figure.subplots(3, 6, width_ratios=[1, 0.3, 1, 1, 1, 1])
    most = np.abs(y).max()
    answers = {"cmap": canvas.DIVERGING, "vmin": -most, "vmax": most}
    _show(panels[0, 0], x, "image $x$", cmap="Greys")
    _show(panels[1, 0], KERNEL, "kernel $K$", **{**answers, "vmin": -0.35, "vmax": 0.35})
    _show(panels[2, 0], y, "$K \\star x$", **answers)
    for row, (name, change) in zip(panels, CHANGES.items(), strict=True):
        row[1].set_axis_off()
        first, then = convolved(change(x)), change(y)
        _show(row[2], change(x), "$T\\,x$", cmap="Greys")
        _show(row[3], first, "$K \\star (T\\,x)$", **answers)
        _show(row[4], then, "$T\\,(K \\star x)$", **answers)
        _show(
            row[5], first - then, f"difference: {100 * np.linalg.norm(first - then) / np.linalg.norm(then):.0f} %", **answers
        )
        row[2].set_ylabel(f"$T$: {name}", fontsize=14, weight="bold", color=canvas.INK)
    return figure


def _show(axes, image, title, **options):
    axes.imshow(image, **options)
    axes.set_title(title, fontsize=13)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)


if __name__ == "__main__":
    canvas.main(draw)
