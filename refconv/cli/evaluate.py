"""Command ``refconv evaluate``: test a trained network on a data set or a folder."""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from refconv._errors import ArgumentValueError
from refconv.cli.arguments import one_of, positive, threads
from refconv.cli.command import Command
from refconv.cli.console import bar, print_error, print_json, print_result, warnings_as_lines
from refconv.cli.evaluation_results import Classification, Segmentation
from refconv.cli.parser import Parser
from refconv.cli.views import add_views, with_views

if TYPE_CHECKING:
    from refconv.cli.saved_model import SavedModel
    from refconv.data.datasets import Examples
    from refconv.typing import Array, Shape

__all__ = ["COMMAND"]

DESCRIPTION = """\
Test a trained network on a data set or on a folder of pictures.

The command prints the accuracy, the accuracy of each class, and the pairs of classes that are confused most often; for a
U-Net, the intersection over union of each class. The images are prepared as in training. A folder may lack some of the
classes.

With --crops 10, 50 or 144, the probabilities of several crops of each image are averaged, as in the papers of AlexNet, VGG and
GoogLeNet. With --scales, the images are first resized to several sizes.
"""

DRAWN = 5000  # digits


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "model", metavar="MODEL", help="a model file, the folder of a run, an .onnx file, or weights of `refconv list weights`"
    )
    add("--data", metavar="SOURCE", help="name of a data set, or a folder of pictures (default: the model's data set)")
    add("--split", **one_of("test", "train"), default="test", help="part of the data set (default: %(default)s)")
    add("--images", type=positive, metavar="N", help="number of images (default: all, or 5000 drawn digits)")
    add("--skip-damaged", action="store_true", help="leave out pictures that cannot be read, instead of stopping")
    add("--top", type=positive, default=5, metavar="K", help="also print the top-K accuracy (default: %(default)s)")
    add_views(add)
    add("--confusion", metavar="FILE", help="save the confusion matrix as a PNG picture")
    add("--json", action="store_true", help="print the results as JSON")
    add("--threads", type=threads, metavar="N", help="number of threads of the kernels (default: see refconv info)")


def run(options: Namespace) -> None:
    from refconv._config import config
    from refconv.cli.output_files import check_not_input
    from refconv.cli.saved_model import find_weights, load_model

    model = load_model(options.model)
    if model.has_masks and options.confusion:
        raise ArgumentValueError("--confusion must be left out for a network that classifies pixels")
    if options.confusion:
        check_not_input("--confusion", options.confusion, [find_weights(options.model)])
    with config(threads=options.threads):
        network, enlarged = with_views(model, options)
        examples = _examples(options, model, enlarged.prepare.size)
        results: Classification | Segmentation
        if model.has_masks:
            results = _segmentation(network, enlarged, examples)
        else:
            results = _classification(network, enlarged, examples, options.top)
    if options.json:
        print_json(results.as_dict())
    else:
        print_result(results.as_text())
    if options.confusion:
        from pathlib import Path

        from refconv._files import write_atomically
        from refconv.drawing.training import confusion_picture

        write_atomically(Path(options.confusion), confusion_picture(results.counts, model.classes, options.model))


def _examples(options: Namespace, model: SavedModel, size: Shape) -> Examples:
    """Return the images and labels; pictures of a folder have this size, (H, W)."""
    from pathlib import Path

    from refconv import data
    from refconv.cli.run_folder import data_name
    from refconv.cli.training_data import readable
    from refconv.data.datasets import first
    from refconv.data.sources import SOURCES

    source = options.data or (model.data if model.data in SOURCES else None)
    if source is None:
        raise ArgumentValueError(f"--data must be given for a model trained on {model.data or 'unknown data'}, got none")
    numbered = model.classes == tuple(map(str, range(len(model.classes))))
    if source in SOURCES and SOURCES[source].classes != model.classes and not (numbered and source == model.data):
        names = ", ".join(model.classes[:3])
        raise ArgumentValueError(f"--data must have the {len(model.classes)} classes of the model ({names}, …), got {source}")
    if source in SOURCES and model.has_masks:
        raise ArgumentValueError(f"--data must contain images and masks for this model, got {source}")
    if source == "digits":
        return data.draw_digits(options.images or DRAWN, 1)
    channels = model.prepare.input_shape[2]
    with warnings_as_lines():
        warnings.filterwarnings("ignore", ".* has no images of the class")  # the results show it
        _, labels = examples = data.open_split(
            source, options.split, size, channels=channels, classes=model.classes, skip_damaged=options.skip_damaged
        )
    if (labels.ndim > 1) != model.has_masks:
        content = "images and masks" if model.has_masks else "one folder for each class"
        raise ArgumentValueError(f"--data must contain {content} for this model, got {source}")
    if source not in SOURCES and data_name(source) == model.data and not Path(source, "train").is_dir():
        print_error(f"{source} has the name of the training data, so it may contain the pictures of the training")
    chosen = first(examples, options.images, "--images", source) if options.images else examples
    return readable([chosen], options.skip_damaged)[0]


def _batches(model: SavedModel, examples: Examples, size: int) -> Iterator[tuple[Array, Array]]:
    """Yield the inputs and labels, and show the progress."""
    from refconv import data
    from refconv.cli.training_data import read_ahead

    images, labels = examples
    batches = read_ahead(data.Batches(images, labels, size, shuffle=False, prepare=model.inputs))
    with bar(f"testing {len(images):,} images", len(images), "images") as progress:
        for x, targets in batches:
            yield x, targets
            progress(len(x))


def _classification(network: Any, model: SavedModel, examples: Examples, top: int) -> Classification:
    from refconv.training import evaluate
    from refconv.training.metrics import accuracy, top_k_accuracy

    top = min(top, len(model.classes))
    metrics = {"accuracy": accuracy, **({f"top_{top}_accuracy": top_k_accuracy(top)} if top > 1 else {})}
    evaluation = evaluate(network, _batches(model, examples, 250), metrics=metrics)
    return Classification(model.classes, evaluation)


def _segmentation(network: Any, model: SavedModel, examples: Examples) -> Segmentation:
    """Count the pixels of each true and predicted class."""
    import numpy as np

    from refconv.data.resample import centre
    from refconv.inference.automatic import for_inference

    images, masks = examples
    count, network = len(model.classes), for_inference(network)
    counts = np.zeros((count, count), int)
    for x, labels in _batches(model, (images, masks), 8):
        predicted = network(x).argmax(-1)
        inner = centre(labels, predicted.shape[1:])  # a U-Net without padding has a smaller output
        counts += np.bincount(inner.ravel() * count + predicted.ravel(), minlength=count**2).reshape(count, count)
    return Segmentation(model.classes, len(images), counts)


COMMAND = Command("evaluate", "test a trained network", DESCRIPTION, add_arguments, run, can_be_quiet=True)
