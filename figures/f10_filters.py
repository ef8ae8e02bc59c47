"""F10: a first layer that learns from photographs comes to look like Gabor functions, and so do cells of the visual cortex.

    python figures/f10_filters.py --measure --show

A small network, six epochs of the 10,000 photographs of CIFAR-10's first file, in grey and enlarged to 64 × 64
pixels, seed 0. Its first layer has 32 filters of 11 × 11 pixels and stride 4, and begins with almost nothing, so that
what is seen was learnt. The 16 shown are the likest to Gabor functions; below each stands the Gabor function that
fits best, of 84 directions and wavelengths and of any phase, and how much of the filter's energy it explains. Of
noise it would explain a twelfth. Source: F10, M18.
"""

import canvas
import numpy as np

SEED, EPOCHS = 0, 6
SIDE, KERNEL, FILTERS = 64, 11, 32
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # how bright red, green and blue are
ROWS, COLUMNS = 2, 8


def measure():
    """Train the network; the filters of its first layer, each scaled to a largest value of 1."""
    from refconv import data, optim, training

    images, labels = data.load_cifar10("train")
    images = data.resize((images[:10_000] @ GREY).astype(np.uint8), SIDE)
    mean, std = np.float32(images.mean()), np.float32(images.std())
    model = network()
    model.build((SIDE, SIDE, 1), rng=[SEED, 0])
    augment = data.augment.chain(data.augment.crop(SIDE, pad=4), data.augment.flip())
    batches = data.Batches(
        images, labels[:10_000], 64, prepare=lambda x: ((x - mean) / std)[..., None], augment=augment, rng=[SEED, 1]
    )
    optimizer = optim.SGD(model.named_parameters(), 0.05, momentum=0.9, weight_decay=WEIGHT_DECAY)
    history = training.fit(model, batches, optimizer, epochs=EPOCHS, schedule=optim.cosine)
    print(f"{100 * history.epochs[-1].train_accuracy:.0f} % of the training images")
    filters = np.moveaxis(model.layers["conv1"]["w"].value[:, :, 0], -1, 0)
    return [{"pixels": " ".join(f"{pixel:.3f}" for pixel in (w / np.abs(w).max()).ravel())} for w in filters]


WEIGHT_DECAY = 1e-2


def network():
    """Three convolutions; the first in the manner of AlexNet's."""
    from refconv import nn

    def block(filters, size, **arguments):
        return nn.Sequential(
            nn.Conv2D(filters, size, padding="same", bias=False, **arguments), nn.BatchNorm(momentum=0.9), nn.ReLU()
        )

    return nn.Sequential(
        conv1=nn.Conv2D(FILTERS, KERNEL, stride=4, padding="same", bias=False, initializer=almost_nothing),
        norm1=nn.BatchNorm(momentum=0.9),
        relu1=nn.ReLU(),
        conv2=block(32, 5),
        pool2=nn.MaxPool2D(3, stride=2, padding=1),
        conv3=block(64, 3),
        pool3=nn.AvgPool2D(2),
        flatten=nn.Flatten(),
        scores=nn.Dense(10),
    )


def almost_nothing(rng, shape):
    return rng.normal(0, 0.003, shape)


def draw(rows):
    """The filters that are likest to Gabor functions, each above the one that it is likest to."""
    from refconv.models import likest_gabor

    filters = [np.array(row["pixels"].split(), float).reshape(KERNEL, KERNEL) for row in rows]
    filters = [w - w.mean() for w in filters]
    likeness = [likest_gabor(w) for w in filters]
    best = sorted(range(len(filters)), key=lambda k: -likeness[k].explained)[: ROWS * COLUMNS]
    figure = canvas.canvas("What a first layer learns from photographs: Gabor functions")
    panels = figure.subplots(2 * ROWS, COLUMNS).reshape(ROWS, 2, COLUMNS)
    for place, k in enumerate(best):
        learned, fitted = panels[place // COLUMNS, :, place % COLUMNS]
        _show(learned, filters[k])
        _show(fitted, fit(filters[k], likeness[k]))
        fitted.set_xlabel(f"{100 * likeness[k].explained:.0f} %", fontsize=12, color=canvas.INK)
    for learned, fitted in panels[:, :, 0]:
        learned.set_ylabel("learnt", fontsize=13, color=canvas.INK)
        fitted.set_ylabel("Gabor", fontsize=13, color=canvas.INK)
    return figure


def fit(w, likeness):
    """The Gabor function of a direction and a wavelength that is nearest to a filter, of whatever phase and height."""
    from refconv.models.gabor import PHASES, gabor

    waves = [gabor(KERNEL, likeness.wavelength, likeness.direction, phase).ravel() for phase in PHASES]
    basis, _ = np.linalg.qr(np.stack(waves, 1))
    return (basis @ (basis.T @ w.ravel())).reshape(w.shape)


def _show(axes, image):
    most = np.abs(image).max()
    axes.imshow(image, cmap=canvas.DIVERGING, vmin=-most, vmax=most)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)


if __name__ == "__main__":
    canvas.main(draw, measure)
