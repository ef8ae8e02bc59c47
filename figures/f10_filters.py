"""F10: a first layer trained on photographs learns edges, bars and blobs.

    python figures/f10_filters.py --measure --show

Above are Gabor functions, which describe cells of the visual cortex. Below are the filters of a small network, trained for
six epochs on the 10,000 photographs of CIFAR-10's first file, in grey and enlarged to 64 × 64 pixels, seed 0. Its first
layer has 32 filters of 11 × 11 pixels and stride 4. The initial weights are almost zero, so what is visible was learnt. All
filters are shown; the most similar to a Gabor function comes first. Trust your eyes more than a single number:
``likest_gabor`` explains 41 % of the energy of these filters and 7 % of the energy of noise, but also 35 % for random
mixtures of windows of the photographs. AlexNet's filters, learnt from a hundred times more photographs, are sharper.
Source: lecture rows F10 and M18 (SOURCES.md).
"""

import canvas
import numpy as np

from refconv.analysis import gabor_bank, likest_gabor

SEED, EPOCHS = 0, 6
SIDE, KERNEL, FILTERS = 64, 11, 32
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # brightness of red, green and blue
WEIGHT_DECAY = 0.01
COLUMNS = 16


def measure():
    """Train the network; return the filters of its first layer, each scaled to at most 1."""
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
    optimizer = optim.SGD(model, 0.05, momentum=0.9, weight_decay=WEIGHT_DECAY)
    training.fit(model, batches, optimizer, epochs=EPOCHS, schedule=optim.cosine)
    filters = np.moveaxis(model.layers["conv1"].parameters["w"].value[:, :, 0], -1, 0)
    return [{"pixels": " ".join(f"{pixel:.3f}" for pixel in (w / np.abs(w).max()).ravel())} for w in filters]


def network():
    """Return a network of three convolutions; the first resembles AlexNet's."""
    from refconv import nn

    def block(filters, size, **arguments):
        return nn.Sequential(nn.Conv2D(filters, size, padding="same", bias=False, **arguments), nn.BatchNorm(), nn.ReLU())

    return nn.Sequential(
        conv1=nn.Conv2D(FILTERS, KERNEL, stride=4, padding="same", bias=False, initializer=almost_zero),
        norm1=nn.BatchNorm(),
        relu1=nn.ReLU(),
        conv2=block(32, 5),
        pool2=nn.MaxPool2D(3, stride=2, padding=1),
        conv3=block(64, 3),
        pool3=nn.AvgPool2D(2),
        flatten=nn.Flatten(),
        scores=nn.Dense(10),
    )


def almost_zero(rng, shape):
    return rng.normal(0, 0.003, shape)


def draw(rows):
    """Draw a bank of Gabor functions above the learnt filters."""
    filters = np.array([row["pixels"].split() for row in rows], float).reshape(-1, KERNEL, KERNEL)
    explained = np.array([likest_gabor(w).explained for w in filters])
    assert 0.36 < explained.mean() < 0.46, "the docstring of this file states 41 %"
    bank = np.moveaxis(gabor_bank(KERNEL, directions=8, wavelengths=(5, 9))[:, :, 0], -1, 0)
    figure = canvas.canvas("A first layer trained on photographs learns edges, bars and blobs")
    above, below = figure.subplots(2, 1)
    _mosaic(above, bank, "Gabor functions, which describe cells of the visual cortex")
    _mosaic(below, filters[np.argsort(-explained)], "32 filters, learnt from photographs")
    return figure


def _mosaic(axes, images, title):
    """Draw images side by side, separated by lines; each has its own colour scale."""
    tiles = [image - image.mean() for image in images]
    tiles = [np.pad(tile / np.abs(tile).max(), 1, constant_values=np.nan) for tile in tiles]
    rows = [np.concatenate(tiles[k : k + COLUMNS], 1) for k in range(0, len(tiles), COLUMNS)]
    axes.imshow(np.concatenate(rows), cmap=canvas.DIVERGING, vmin=-1, vmax=1)
    axes.set_title(title, fontsize=14)
    axes.set_axis_off()


if __name__ == "__main__":
    canvas.main(draw, measure)
