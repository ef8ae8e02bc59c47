"""F11, large holes: the input and the skip connections decide how a network fills a hole.

    python figures/f11_large_hole.py --measure --show

The hole is 40 × 26 of 96 × 96 pixels. Known pixels are kept, and the numbers are the PSNR inside the hole. In a harmonic fill,
each missing pixel is the mean of its neighbours. With noise as input and skip connections, an untrained network fills the
hole with texture. With a meshgrid as input (the coordinates of each pixel) and without skip connections, it continues the
large structures around the hole, though not as they were: the white band of the hat curves down. Below are restorations from
four noise inputs z, by networks without skip connections and with equal initial weights. Their standard deviation, in grey
levels of 255, is large in the hole, where only the prior decides. Their PSNR differs more than the PSNR of the methods above:
no method can know what was in the hole. 600 steps, seed 0; the photograph of Grace Hopper comes with matplotlib.
Source: lecture rows F11, M17 and D2 (SOURCES.md).
"""

import canvas
import numpy as np
from pixels import picture_of, rows_of

from experiments.deep_image_prior import (
    HOLE_STEPS,
    RESTORATIONS,
    diversity,
    fit_image,
    harmonic_fill,
    photograph_with_hole,
    psnr,
    restorations,
)

NETWORKS = {"noise, skips": {"z": "noise"}, "meshgrid, no skips": {"z": "meshgrid", "skip": 0}}
MOST_LEVELS = 60  # standard deviation, in grey levels of 255, of the darkest colour


def measure():
    """Return the rows of all pictures: the photograph, the fills and the restorations."""
    truth, known = photograph_with_hole()
    pictures = {"photograph": truth, "harmonic fill": harmonic_fill(truth, known)}
    for name, arguments in NETWORKS.items():
        pictures[name] = fit_image(truth * known, known, steps=HOLE_STEPS, **arguments)
    for k, picture in enumerate(restorations("z", HOLE_STEPS), start=1):
        pictures[f"z {k}"] = picture
    return [row for name, picture in pictures.items() for row in rows_of(name, picture)]


def draw(rows):
    """Draw the fills above, and the restorations from different z and their deviation below."""
    figure = canvas.canvas("A large hole: input and skip connections decide how it is filled", height=6.0)
    truth, (_, known) = picture_of(rows, "photograph"), photograph_with_hole()
    above, below = figure.subplots(2, 5)
    names = ("harmonic fill", *NETWORKS)
    show(above[0], "the photograph", truth)
    show(above[1], "a large hole", truth * known)
    for axes, name in zip(above[2:], names, strict=True):
        show_filled(axes, name, picture_of(rows, name), truth, known)
    images = np.stack([picture_of(rows, f"z {k}") for k in range(1, RESTORATIONS + 1)])
    for k, (axes, image) in enumerate(zip(below, images, strict=False), start=1):
        show_filled(axes, f"noise z$_{k}$, no skips", image, truth, known)
    show_deviation(below[-1], images, known)
    return figure


def show(axes, title, picture, under="", **options):
    """Show a picture with a title above and a text under it."""
    axes.imshow(picture, **options)
    axes.set_axis_off()
    axes.set_title(title, fontsize=13)
    axes.text(0.5, -0.03, under, transform=axes.transAxes, ha="center", va="top")


def show_filled(axes, title, picture, truth, known):
    """Show the known pixels with the hole filled from a picture, and the PSNR in the hole."""
    hole = known[..., 0] == 0
    show(axes, title, np.where(known, truth, picture), f"{psnr(picture[hole], truth[hole]):.1f} dB")


def show_deviation(axes, images, known):
    """Show how much the restorations differ at each pixel."""
    inside, outside = diversity(images, known)
    deviation = 255 * images.std(0).mean(-1)
    under = f"{inside:.0f} inside, {outside:.0f} outside"
    show(axes, "deviation of the four", deviation, under, cmap=canvas.SHADES, vmin=0, vmax=MOST_LEVELS)


if __name__ == "__main__":
    canvas.main(draw, measure)
