"""What a network can do without: one block at a time is taken out of a trained residual and a trained plain network."""

from __future__ import annotations

import time

from refconv import data, models
from refconv.analysis.paths import deletable, without
from refconv.museum.classifiers import SHAPE, digits, shown, trained
from refconv.museum.row import Row, passes
from refconv.training import evaluate

__all__ = ["lesions"]

DEPTH, WIDTH, LR = 20, 0.5, 0.05


def lesions(source="digits", images=8000, epochs=3, seed=0):
    """Train both networks, and read test images without each block that can go; a row for each network."""
    training, test = digits(source, images, seed)
    for plain in (False, True):
        model = models.cifar_resnet(DEPTH, width=WIDTH, plain=plain)
        began = time.perf_counter()
        trained(model, training, epochs=epochs, lr=LR, seed=seed)
        seconds = time.perf_counter() - began
        batches = data.Batches(*test, 250)
        whole = evaluate(model, batches).accuracy
        left = {name: evaluate(without(model, name), batches).accuracy for name in deletable(model, SHAPE)}
        each = ", ".join(f"{100 * accuracy:.0f}" for accuracy in left.values())
        said = f"{100 * whole:.1f} % whole; without one block, from the first to the last: {each} %"
        name = f"{'plain' if plain else 'resnet'}20, half as wide"
        yield Row(name, shown(source, images), passes(epochs), seconds, said)
