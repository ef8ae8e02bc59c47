"""F18: a convolution commutes with a shift; with a turn or with a zoom it does not.

    python figures/f18_equivariance.py --show

Read each row from left to right: first changed and then convolved is compared with first convolved and then changed.
The kernel looks for upright edges, so it finds others once the letter lies on its side, and thinner ones once it is
large. The number is the norm of the difference, in percent of that of the convolution. Source: F18, C8, C11.
"""

import canvas
import numpy as np

from refconv import conv2d
from refconv.analysis.gabor import gabor
from refconv.data.resample import resample

SIZE, SHIFT, ZOOM = 40, (5, -7), 1.7
KERNEL = gabor(7, wavelength=6, direction=0, phase=np.pi / 2)


def letter():
    """An F, as no turn or reflection maps it onto itself, with room around it."""
    image = np.zeros((SIZE, SIZE))
    for rows, columns in ((slice(11, 29), slice(14, 17)), (slice(11, 14), slice(14, 27)), (slice(18, 21), slice(14, 24))):
        image[rows, columns] = 1
    return image


def convolved(image):
    return conv2d(image[None, :, :, None], KERNEL[:, :, None, None], padding="same")[0, :, :, 0]


def zoomed(image):
    """Enlarged about the middle."""
    places = (np.arange(SIZE) - (SIZE - 1) / 2) / ZOOM + (SIZE - 1) / 2
    return resample(image, places, places)


CHANGES = {
    "shifted": lambda image: np.roll(image, SHIFT, (0, 1)),  # nothing but zeros comes in at the other side
    "turned": np.rot90,
    "enlarged": zoomed,
}


def draw():
    """A row for each change."""
    figure = canvas.canvas("Convolution commutes with shifts, but not with turns or zooms")
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
