"""F17: LeNet-5 reads digits where, as large and as upright as those it was trained on; moved ones it must have seen moved.

    python figures/f17_moved_digits.py --measure --show

Two networks, four epochs of MNIST's 60,000 digits each, seed 0: one saw them as they are, the other each time moved by up to 5
pixels, turned by up to 45 degrees and zoomed by up to 40 %. Each point is the share of the first 5,000 test digits that is read
when all of them are moved, zoomed or turned alike, in a field of 32 × 32 pixels. Convolution and pooling forgive a shift by one
or two pixels and nothing else; augmentation teaches the rest, as far as it went (grey) and not much further. Source: F17, C11, A21.
"""

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
SHOWN = 3  # the test digit that stands below the curves


def measure():
    """Train both, and show them all test digits changed alike."""
    from refconv import data, models, optim, training

    train, test = (_framed(*data.load_mnist(split)) for split in ("train", "test"))
    test = tuple(part[:TEST_DIGITS] for part in test)
    rows = [
        {"network": "digit", "change": "".join(f"{pixel:02x}" for pixel in test[0][SHOWN].ravel()), "by": 0, "accuracy": 0}
    ]
    for name, augment in (
        ("plain", None),
        ("moved", data.augment.distort(rotation=TURN, zoom=ZOOM, shear=0, elastic=0, move=MOVE, share=4)),
    ):
        model = models.lenet()
        model.build((32, 32, 1), rng=SEED)
        batches = data.Batches(*train, 64, augment=augment, rng=SEED + 1)
        optimizer = optim.SGD(model.named_parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
        training.fit(model, batches, optimizer, epochs=EPOCHS, schedule=optim.cosine)
        for change, steps in CHANGES.items():
            for by in steps:
                changed = np.stack([moved(digit, change, by) for digit in test[0]])
                accuracy = training.evaluate(model, data.Batches(changed, test[1], 500)).accuracy
                rows.append({"network": name, "change": change, "by": by, "accuracy": round(100 * accuracy, 2)})
    return rows


def _framed(images, labels):
    """The digits in 32 × 32 pixels, so that there is room to move."""
    return np.pad(images, ((0, 0), (2, 2), (2, 2))), labels


def moved(digit, change, by):
    """A digit shifted to the right by pixels, zoomed by a factor, or turned against the clock by degrees, about the middle."""
    scale, angle = by if change == "zoom" else 1, np.radians(by if change == "turn" else 0)
    cos, sin, middle = np.cos(angle) / scale, np.sin(angle) / scale, len(digit) / 2
    right = by if change == "shift" else 0
    # where each pixel comes from: x' = cos·(x − right − m) − sin·(y − m) + m, and y' likewise
    across = (cos, -sin, middle * (1 - cos + sin) - cos * right)
    down = (sin, cos, middle * (1 - cos - sin) - sin * right)
    picture = Image.fromarray(digit)
    return np.asarray(picture.transform(picture.size, Image.Transform.AFFINE, (*across, *down), Image.Resampling.BILINEAR))


def draw(rows):
    return canvas.canvas("")


if __name__ == "__main__":
    canvas.main(draw, measure)
