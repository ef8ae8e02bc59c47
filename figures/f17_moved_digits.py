"""F17: LeNet-5 misreads moved, zoomed or rotated digits unless it was trained on them.

    python figures/f17_moved_digits.py --measure --show

Two LeNet-5 networks, each trained for four epochs on MNIST's 60,000 digits, seed 0: one saw the digits unchanged, the other
saw them randomly moved by up to 5 pixels, rotated by up to 45 degrees and zoomed by up to 40 % in or out. A point is the
accuracy on the first 5,000 test digits, all changed in the same way, in a frame of 32 × 32 pixels. Convolution and pooling
alone tolerate two pixels and a rotation by 15 degrees. Augmentation adds the rest; after the same few epochs it costs two
percent of the accuracy on unchanged digits. Source: lecture rows F17, C11 and A21 (SOURCES.md).
"""

from typing import NamedTuple

import canvas
import numpy as np
from PIL import Image

SEED, EPOCHS, TEST_DIGITS = 0, 4, 5000
MOVE, TURN, ZOOM = 5, 45, 0.4
CHANGES = {
    "shift": range(-10, 11),
    "zoom": [round(0.4 + 0.1 * k, 1) for k in range(15)],
    "turn": range(-90, 91, 15),
}


class Axis(NamedTuple):
    """Axis of a change: label, ticks (with a digit below each) and range used in training."""

    label: str
    ticks: tuple
    learnt: tuple


AXES = {
    "shift": Axis("shifted to the right, in pixels", (-10, -5, 0, 5, 10), (-MOVE, MOVE)),
    "zoom": Axis("zoom factor", (0.4, 0.7, 1.0, 1.4, 1.8), (1 - ZOOM, 1 + ZOOM)),
    "turn": Axis("rotated anticlockwise, in degrees", (-90, -45, 0, 45, 90), (-TURN, TURN)),
}
NAMES = ("trained on moved,\nzoomed, rotated digits", "trained on\nunchanged digits")
SHOWN, SHOWN_LABEL = 7, 9  # index and label of the test digit drawn below the curves
UNITS = ("relu3", "relu4", "scores")  # layers whose outputs for that digit are stored


def measure():
    """Train both networks, and test each on all test digits changed in the same way.

    The column "units" has what the animations of figure 17 need: the digit SHOWN, the weights of the two convolutions, and the
    outputs of the dense layers for the digit after each change.
    """
    from refconv import data

    train, (images, labels) = (_framed(*data.load_mnist(split)) for split in ("train", "test"))
    digit = "".join(f"{pixel:02x}" for pixel in images[SHOWN].ravel())
    rows = [{"network": "", "change": "digit", "by": "", "accuracy": "", "units": digit}]
    for name in ("plain", "moved"):
        model = trained(name, train)
        if name == "moved":
            for key in ("conv1.w", "conv1.b", "conv2.w", "conv2.b"):
                rows.append({"network": name, "change": key, "units": _text(model.named_parameters()[key].value)})
        for change, steps in CHANGES.items():
            for by in steps:
                changed = np.stack([moved(image, change, by) for image in images[:TEST_DIGITS]])
                accuracy = _accuracy(model, changed, labels[:TEST_DIGITS])
                units = _text(_units(model, changed[SHOWN], UNITS if name == "moved" else UNITS[-1:]))
                rows.append({"network": name, "change": change, "by": by, "accuracy": accuracy, "units": units})
    return rows


def trained(name, digits):
    """Return LeNet-5, trained on unchanged ("plain") or on randomly changed digits ("moved")."""
    from refconv import data, models, optim, training

    distort = data.augment.distort(rotation=TURN, zoom=ZOOM, shear=0, elastic=0, move=MOVE, share=4)
    augment = distort if name == "moved" else None
    model = models.lenet()
    model.build((32, 32, 1), rng=SEED)
    batches = data.Batches(*digits, 64, rng=SEED + 1, prepare=data.lenet_input, augment=augment)
    optimizer = optim.SGD(model, 0.05, momentum=0.9, weight_decay=5e-4)
    training.fit(model, batches, optimizer, epochs=EPOCHS, schedule=optim.cosine)
    return model


def _accuracy(model, images, labels):
    from refconv import data, training

    batches = data.Batches(images, labels, 500, shuffle=False, prepare=data.lenet_input)
    return round(100 * training.evaluate(model, batches).accuracy, 2)


def _units(model, image, layers):
    """Return the outputs of some layers for one image, concatenated."""
    from refconv import data

    x = data.lenet_input(image[None])
    return np.concatenate([model.activations(x, layer).ravel() for layer in layers])


def _text(numbers):
    return " ".join(f"{number:.4g}" for number in numbers.ravel())


def _framed(images, labels):
    """Pad the digits to 32 × 32 pixels, so that they can move."""
    return np.pad(images, ((0, 0), (2, 2), (2, 2))), labels


def moved(digit, change, by):
    """Return a digit shifted right (pixels), zoomed (factor) or rotated anticlockwise (degrees)."""
    scale, angle = by if change == "zoom" else 1, np.radians(by if change == "turn" else 0)
    cos, sin, middle = np.cos(angle) / scale, np.sin(angle) / scale, len(digit) / 2
    right = by if change == "shift" else 0
    # The pixel that each output pixel reads: x' = cos·(x − right − m) − sin·(y − m) + m, and y' likewise
    across = (cos, -sin, middle * (1 - cos + sin) - cos * right)
    down = (sin, cos, middle * (1 - cos - sin) - sin * right)
    picture = Image.fromarray(digit)
    return np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, (*across, *down), Image.Resampling.BILINEAR))


def shown_digit(rows):
    """Return the stored digit: an array (32, 32), uint8."""
    return np.frombuffer(bytes.fromhex(rows[0]["units"]), np.uint8).reshape(32, 32)


def draw(rows):
    """Draw accuracy against each change, and below it an example digit with that change."""
    digit = shown_digit(rows)
    figure = canvas.canvas("LeNet-5 reads moved digits if it was trained on moved digits")
    above, below = figure.subplots(2, len(CHANGES), sharex="col", height_ratios=[5, 1])
    for axes, under, (change, axis) in zip(above, below, AXES.items(), strict=True):
        for name, colour in (("moved", canvas.BLUE), ("plain", canvas.ORANGE)):
            points = [(row["by"], row["accuracy"]) for row in rows if (row["network"], row["change"]) == (name, change)]
            axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, clip_on=False)
        first, last = points[0][0], points[-1][0]
        axes.axvspan(*axis.learnt, color=canvas.PALE, zorder=0)
        axes.set(ylim=(0, 100), yticks=range(0, 101, 20), xticks=axis.ticks, xlim=(first, last))
        axes.tick_params(labelleft=axes is above[0], labelbottom=False)
        half = 0.085 * (last - first)
        for by in axis.ticks:
            under.imshow(
                moved(digit, change, by), cmap="Greys", aspect="auto", extent=(by - half, by + half, 0, 1), clip_on=False
            )
        under.set(xlim=(first, last), ylim=(0, 1), yticks=[], xlabel=axis.label)
        under.tick_params(length=0)
        under.spines[:].set_visible(False)
    above[0].set_ylabel("test accuracy (%)")
    above[1].legend(above[1].lines, NAMES, loc="lower right", fontsize=12)
    above[0].text(0, 5, "seen in\ntraining", ha="center", fontsize=12, color=canvas.GREY)
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
