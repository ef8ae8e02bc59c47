"""Command ``refconv predict``: classify images with a trained network."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refconv._errors import ArgumentValueError
from refconv._files import write_atomically
from refconv.cli.arguments import one_of, positive, threads
from refconv.cli.command import Command
from refconv.cli.console import print_error
from refconv.cli.parser import Parser
from refconv.cli.views import add_views, with_views

if TYPE_CHECKING:
    from refconv.cli.pictures import Picture, Pictures
    from refconv.cli.saved_model import SavedModel
    from refconv.typing import Array

__all__ = ["COMMAND"]

DESCRIPTION = """\
Classify images with a trained network; print the most probable classes with their probabilities.

An image may have any size and any format that Pillow opens, such as PNG or JPEG. A folder stands for all images in it and in
its folders, and - for an image on the standard input. The images are prepared as in training. An image that cannot be read is
named on the standard error; the others are classified, and the exit status is 1.

If the network was trained on digits or letters, each image shows one of them, dark on light or light on dark. A photograph
may contain shadows and the edges of the paper; leave a margin around the digit. It is converted to the format of MNIST: cut
out, scaled to fit into 20 × 20 pixels, and placed in an image of 28 × 28 pixels with its centre of mass in the middle.

With --sheet, each image shows several digits, which do not touch each other. The command prints the digits of each line of
writing, then each digit with its probability and its position in pixels: columns, then rows.

The command prints a warning if an image seems to show several digits but --sheet is not given, and if an image is unlike the
training images. The second warning recognises only a part of such images: a network must choose one of its classes, and may be
certain of a wrong one.

If the network classifies pixels, such as a U-Net, a mask of the predicted classes is saved for each image in the folder of
--masks.
"""

# Probability below which a digit is called unlike the training images if the file of the network contains no measured limit.
# Of 2,000 test images of MNIST, 0.8 % are below it (python -m benchmarks.photographs MODEL --parts unlike).
LEAST_PROBABILITY = 0.6


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "model", metavar="MODEL", help="a model file, the folder of a run, an .onnx file, or weights of `refconv list weights`"
    )
    add("images", nargs="+", metavar="IMAGE", help="image files, folders, or - for the standard input")
    add("--top", type=positive, default=3, metavar="N", help="print N classes (default: %(default)s)")
    add("--format", **one_of("text", "json", "csv"), default="text", help="output format (default: %(default)s)")
    add("--sheet", action="store_true", help="find and read several digits in each image")
    add_views(add)
    add("--show", metavar="FILE", help="save a PNG picture of the images that the network classifies")
    add("--masks", metavar="DIR", help="folder for the predicted masks of a network that classifies pixels")
    add("--threads", type=threads, metavar="N", help="number of threads of the kernels (default: see refconv info)")


def run(options: Namespace) -> int:
    """Classify the images and return 1 if one could not be read, else 0."""
    from refconv._config import config
    from refconv.cli.output_files import check_not_input
    from refconv.cli.pictures import Pictures
    from refconv.cli.saved_model import load_model

    model = load_model(options.model)
    if model.has_masks != bool(options.masks):
        expected = (
            "given for a network that classifies pixels" if model.has_masks else "left out for one that classifies images"
        )
        raise ArgumentValueError(f"--masks must be {expected}, got {options.masks or 'none'}")
    if options.sheet and not model.prepare.ink:
        raise ArgumentValueError("--sheet must be left out for a network that was not trained on digits or letters")
    with config(threads=options.threads):
        network, model = with_views(model, options)
        pictures = Pictures(options.images, model.prepare, options.sheet)
        if model.has_masks:
            _check_names(pictures.paths)
        if options.show:
            check_not_input("--show", options.show, [options.model, *pictures.paths])
        shown = (_segment if model.has_masks else _classify)(network, model, pictures, options)
    if options.show and shown:
        import numpy as np

        from refconv.drawing import contact_sheet

        sheet = contact_sheet(np.stack([image for image, _ in shown]), [caption for _, caption in shown])
        write_atomically(options.show, sheet)
    return int(pictures.failed > 0)


def _check_names(paths: list[str]) -> None:
    """Check that the masks of all images have different file names."""
    names: dict[str, str] = {}
    for path in paths:
        other = names.setdefault(Path(path).stem, path)
        if Path(other).resolve() != Path(path).resolve():
            raise ArgumentValueError(f"IMAGE must be files whose masks have different names, got {other} and {path}")


def _classify(network: Any, model: SavedModel, pictures: Pictures, options: Namespace) -> list[tuple[Array, str]]:
    """Print the most probable classes; return the images with captions if they are to be shown."""
    import numpy as np

    from refconv.cli.prediction_formats import FORMATS
    from refconv.inference.automatic import for_inference
    from refconv.ops.loss import softmax

    is_ensemble, network = network is not model.network, for_inference(network)
    writer = FORMATS[options.format](model.classes, options.top, "sheet" if options.sheet else "image")
    shown: list[tuple[Array, str]] = []
    for group in pictures:
        scores = network(model.inputs(np.concatenate([picture.images for picture in group])))
        probabilities, is_unlike = softmax(scores), _unlike(scores, model, is_ensemble)
        ends = np.cumsum([len(picture.images) for picture in group])
        for picture, end in zip(group, ends, strict=True):
            part = slice(end - len(picture.images), end)
            if options.sheet:
                writer.add_sheet(picture.name, probabilities[part], picture.boxes)
            else:
                writer.add(picture.name, probabilities[part][0])
            for warning in _warnings(picture, is_unlike[part], options.sheet):
                print_error(f"refconv: {warning}")
            if options.show:
                captions = [f"{model.classes[p.argmax()]}  {100 * p.max():.1f} %" for p in probabilities[part]]
                shown += zip(picture.images, captions, strict=True)
    writer.end()
    return shown


def _unlike(scores: Array, model: SavedModel, is_ensemble: bool) -> Array:
    """Return True for each image that is unlike the training images, (N,)."""
    from refconv.ops.loss import softmax
    from refconv.training import familiarity

    limit = model.network.notes.get("least_familiarity")
    if isinstance(limit, int | float) and not is_ensemble:  # the scores of an ensemble are logarithms of probabilities
        return familiarity(scores) < limit
    least = LEAST_PROBABILITY if model.prepare.ink else 0.0
    unlike: Array = softmax(scores).max(1) < least
    return unlike


def _warnings(picture: Picture, is_unlike: Array, is_sheet: bool) -> Iterator[str]:
    count = len(picture.boxes)
    if not is_sheet and count > 1:
        yield f"{picture.name} seems to show {count} digits, which were read as one; --sheet reads each of them"
    elif not is_sheet and is_unlike[0]:
        yield f"{picture.name} is unlike the training images; the prediction may be meaningless"
    elif is_unlike.any():
        numbers = ", ".join(str(k + 1) for k in is_unlike.nonzero()[0])
        yield f"{picture.name} contains digits that are unlike the training images, counted from the first: {numbers}"


def _segment(network: Any, model: SavedModel, pictures: Pictures, options: Namespace) -> list[tuple[Array, str]]:
    """Save a mask for each image; return the images with the names of their files."""
    import numpy as np

    from refconv.cli.prediction_formats import FORMATS
    from refconv.data.masks import mask_as_png
    from refconv.training import predict

    writer = FORMATS[options.format](model.classes, options.top, "mask")
    shown: list[tuple[Array, str]] = []
    for group in pictures:
        masks = predict(network, model.inputs(np.concatenate([picture.images for picture in group])))
        for picture, mask in zip(group, masks, strict=True):
            path = Path(options.masks) / f"{Path(picture.name).stem}.png"
            if path.resolve() == Path(picture.name).resolve():
                raise ArgumentValueError(f"--masks must be a folder without the images, got {options.masks}")
            write_atomically(path, mask_as_png(mask))
            writer.add_mask(picture.name, path)
            if options.show:
                shown.append((picture.images[0], Path(picture.name).name))
    writer.end()
    return shown


COMMAND = Command("predict", "classify images with a trained network", DESCRIPTION, add_arguments, run, can_be_quiet=True)
