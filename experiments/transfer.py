"""Experiment: a network trained on drawn digits is adapted to MNIST with a few real digits."""

from experiments.experiment import Experiment, mnist, ordered_batches
from refconv import data, models, nn, optim
from refconv.training import evaluate, fit

__all__ = ["EXPERIMENT", "SHAPE", "train"]

DRAWN, REAL = 30_000, 500
SHAPE = models.input_shape("lenet")


def pretrained(settings):
    """Return LeNet-5 after three epochs of drawn digits."""
    drawn = data.draw_digits(1000 if settings.quick else DRAWN, settings.seed)
    return train(new(settings.seed), drawn, 1 if settings.quick else 3, 0.05, settings.seed)


def new(seed):
    """Return LeNet-5 with random weights."""
    model = models.lenet()
    model.build(SHAPE, rng=[seed, 0])
    return model


def train(model, images_and_labels, epochs, lr, seed):
    """Train a model in batches of 50 and return it."""
    batches = data.Batches(*images_and_labels, 50, rng=[seed, 1], prepare=data.lenet_input)
    optimizer = optim.SGD(model, lr, momentum=0.9, weight_decay=5e-4)
    fit(model, batches, optimizer, epochs=epochs, schedule=optim.cosine)
    return model


def train_on_real(model, lr, settings):
    """Train a model on real digits and return its error."""
    real = tuple(part[:REAL] for part in data.load_mnist("train"))
    return error(train(model, real, 2 if settings.quick else 30, lr, settings.seed), settings)


def error(model, settings):
    test = mnist("test", settings.quick, 500)
    return {"test error on MNIST, %": 100 * (1 - evaluate(model, ordered_batches(test)).accuracy)}


def unchanged(settings):
    return error(pretrained(settings), settings)


def new_head(settings):
    """Freeze the layers up to the last hidden one and train a new last layer."""
    model = pretrained(settings)
    head = nn.Dense(10)
    head.build((84,), rng=[settings.seed, 2])
    model = nn.Sequential({"features": model.cut("relu4").freeze(), "scores": head})
    return train_on_real(model, 0.01, settings)


def fine_tuned(settings):
    """Continue the training of all layers, at one fifth of the learning rate."""
    return train_on_real(pretrained(settings), 0.01, settings)


def from_scratch(settings):
    return train_on_real(new(settings.seed), 0.05, settings)


EXPERIMENT = Experiment(
    "transfer",
    "The features of a trained network help with another task.",
    "B10",
    {
        f"{DRAWN:,} drawn digits, no real ones": unchanged,
        f"… and a new head from {REAL} real ones": new_head,
        f"… and all layers fine-tuned on {REAL} real ones": fine_tuned,
        f"{REAL} real ones alone": from_scratch,
    },
)
