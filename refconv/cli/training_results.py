"""Files that ``refconv train`` writes at the end of a run."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path

import numpy as np

from refconv import data
from refconv._files import write_atomically
from refconv.cli.console import say
from refconv.cli.training_data import TrainingData, read_ahead
from refconv.data.datasets import Examples
from refconv.data.resample import centre
from refconv.drawing.training import segmentation_picture, training_picture
from refconv.nn import Layer
from refconv.training import Diverged, Evaluation, History, least_familiarity, predict

__all__ = ["in_order", "save", "save_diverged"]

SHOWN_MASKS = 6  # test images in the picture of a segmentation


def in_order(examples: Examples, prepare: data.Preprocessing) -> data.Batches | data.Prefetch:
    """Return batches of the examples in their order, for evaluation."""
    return read_ahead(data.Batches(*examples, 500 if examples[1].ndim == 1 else 8, shuffle=False, prepare=prepare))


def save(folder: Path, options: Namespace, model: Layer, history: History, loaded: TrainingData, test: Evaluation) -> None:
    """Save the network with its classes and its preprocessing, the history and the picture."""
    share = test.accuracy
    notes = {
        "data": loaded.dataset.name,
        "seed": options.seed,
        "test_accuracy": share,
        "classes": list(loaded.dataset.classes),
        "preprocessing": loaded.prepare.settings(),
    }
    if options.weights:
        notes["from"] = options.weights
    if not loaded.dataset.has_masks:
        held_out = loaded.validation or loaded.dataset.test
        notes["least_familiarity"] = least_familiarity(model, in_order(held_out, loaded.prepare))
    model.save(folder / "model.safetensors", notes=notes)
    unit = "test pixels classified correctly" if loaded.dataset.has_masks else "test images classified correctly"
    _save_history(folder, options, history, loaded, f"{100 * share:.2f} % of {unit}", model)
    say(f"saved {folder / 'model.safetensors'}, history.csv and training.png")
    masks = " --masks FOLDER" if loaded.dataset.has_masks else ""
    say(f"try:  refconv predict {shlex.quote(str(folder))} YOUR_IMAGE.png{masks}")


def save_diverged(folder: Path, options: Namespace, error: Diverged, loaded: TrainingData) -> str:
    """Save the history and the picture of a diverged run; return a phrase that names the files.

    The network is not saved, because its weights are useless.
    """
    if not error.history.epochs:
        return "nothing to save"
    _save_history(folder, options, error.history, loaded, str(error).partition(";")[0])
    return f"saved {folder / 'history.csv'} and training.png, but no model"


def _save_history(
    folder: Path, options: Namespace, history: History, loaded: TrainingData, outcome: str, model: Layer | None = None
) -> None:
    write_atomically(folder / "history.csv", history.to_csv().encode())
    title = f"{options.model}{f' ({options.style})' if options.style else ''} on {loaded.dataset.name}: {outcome}"
    images, labels = loaded.dataset.test
    if loaded.dataset.has_masks:
        shown = np.arange(min(SHOWN_MASKS, len(images)))
        pixels = loaded.prepare.fit(images[shown])
        predicted = None if model is None else predict(model, loaded.prepare(pixels), len(shown))
        inner = centre(pixels, labels.shape[1:])  # the pixels that have a label
        picture = segmentation_picture(history, inner, labels[shown], predicted, title)
    else:
        predictions = None if history.test is None else history.test.predictions
        dataset = loaded.dataset
        picture = training_picture(history, images, labels, predictions, title, classes=dataset.classes, ink=dataset.ink)
    write_atomically(folder / "training.png", picture)
