"""Command ``refconv predict``: classify images with a trained network."""

from __future__ import annotations

import io
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refconv._errors import ArgumentError, ArgumentValueError
from refconv._files import write_atomically
from refconv.cli.arguments import one_of, positive, threads
from refconv.cli.command import Command
from refconv.cli.console import bar, bars_cleared, in_one_line
from refconv.cli.parser import Parser
from refconv.cli.views import add_views, with_views

if TYPE_CHECKING:
    from refconv.cli.saved_model import SavedModel
    from refconv.data import Preprocessing
    from refconv.typing import Array

__all__ = ["COMMAND"]

DESCRIPTION = """\
Classify images with a trained network; print the most probable classes with their probabilities.

An image may have any size and any format that Pillow opens, such as PNG or JPEG. A folder stands for all images in it and in
its folders, and - for an image on the standard input. The images are prepared as those of the training.

If the network was trained on digits or letters, each image shows one of them, dark on light or light on dark. It is converted
to the format of MNIST: cut out, scaled to fit into 20 × 20 pixels, and placed in an image of 28 × 28 pixels with its centre of
mass in the middle.

If the network classifies pixels, such as a U-Net, a mask of the predicted classes is saved for each image in the folder of
--masks.

An image that cannot be read is named on the standard error; the other images are classified, and the exit status is 1.
"""

TOGETHER = 32  # images
STDIN = "-"


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model.safetensors, or the folder of a run of `refconv train`")
    add("images", nargs="+", metavar="IMAGE", help="image files, folders, or - for the standard input")
    add("--top", type=positive, default=3, metavar="N", help="print N classes (default: %(default)s)")
    add("--format", **one_of("text", "json", "csv"), default="text", help="output format (default: %(default)s)")
    add_views(add)
    add("--show", metavar="FILE", help="save a PNG picture of the images as the network sees them")
    add("--masks", metavar="DIR", help="folder for the predicted masks of a network that classifies pixels")
    add("--threads", type=threads, metavar="N", help="number of threads of the kernels (default: see refconv info)")


def run(options: Namespace) -> int:
    """Classify the images and return 1 if one could not be read, else 0."""
    from refconv._config import config
    from refconv.cli.saved_model import load_model

    model = load_model(options.model)
    if model.has_masks != bool(options.masks):
        expected = (
            "given for a network that classifies pixels" if model.has_masks else "left out for one that classifies images"
        )
        raise ArgumentValueError(f"--masks must be {expected}, got {options.masks or 'none'}")
    with config(threads=options.threads):
        network, model = with_views(model, options)
        reader = Reader(options.images, model.prepare)
        shown = (_segment if model.has_masks else _classify)(network, model, reader, options)
    if options.show and shown:
        from refconv.drawing.contact_sheet import contact_sheet

        write_atomically(options.show, contact_sheet([image for _, image in shown], [title for title, _ in shown]))
    return int(reader.failed > 0)


class Reader:
    """Images from files, folders and the standard input, in groups.

    A file that cannot be read is named on the standard error and counted in ``failed``.
    """

    def __init__(self, sources: Sequence[str], prepare: Preprocessing) -> None:
        self.paths = [path for source in sources for path in files_of(source)]
        self.prepare, self.failed = prepare, 0

    def __iter__(self) -> Iterator[tuple[list[str], list[Array]]]:
        """Yield the names of up to 32 files, and their images in the size of the network's input."""
        with bar("classifying", len(self.paths), "images") as progress:
            for start in range(0, len(self.paths), TOGETHER):
                group = self.paths[start : start + TOGETHER]
                images = {path: image for path in group if (image := self._read(path)) is not None}
                if images:
                    yield [*images], [*images.values()]
                progress(len(group))

    def _read(self, path: str) -> Array | None:
        try:
            return self.prepare.read(io.BytesIO(sys.stdin.buffer.read()) if path == STDIN else path)
        except (ArgumentError, OSError) as error:
            with bars_cleared():
                print(f"refconv: {in_one_line(error)}", file=sys.stderr, flush=True)
            self.failed += 1
            return None


def files_of(source: str) -> list[str]:
    """Return the path itself, or all pictures in a folder and its folders."""
    if source == STDIN or not Path(source).is_dir():
        return [source]
    from refconv.data.folder import pictures_in

    folders = [Path(source), *sorted(path for path in Path(source).rglob("*") if path.is_dir())]
    return [str(path) for folder in folders for path in pictures_in(folder)]


def _classify(network: Any, model: SavedModel, reader: Reader, options: Namespace) -> list[tuple[str, Array]]:
    """Print the most probable classes of each image; return the images with their classes."""
    from refconv.cli.prediction_formats import FORMATS
    from refconv.training import predict_proba

    writer, shown = FORMATS[options.format](model.classes, options.top), []
    for names, images in reader:
        for name, image, p in zip(names, images, predict_proba(network, model.inputs(images)), strict=True):
            writer.add(name, p)
            if options.show:
                shown.append((model.classes[p.argmax()], image))
    writer.end()
    return shown


def _segment(network: Any, model: SavedModel, reader: Reader, options: Namespace) -> list[tuple[str, Array]]:
    """Save a mask for each image; return the images with the names of their files."""
    from refconv.cli.prediction_formats import FORMATS
    from refconv.data.masks import mask_as_png
    from refconv.training import predict

    writer, shown = FORMATS[options.format](model.classes, options.top, has_masks=True), []
    for names, images in reader:
        for name, image, mask in zip(names, images, predict(network, model.inputs(images)), strict=True):
            path = Path(options.masks) / f"{Path(name).stem}.png"
            if path.resolve() == Path(name).resolve():
                raise ArgumentValueError(f"--masks must be another folder than that of the images, got {options.masks}")
            write_atomically(path, mask_as_png(mask))
            writer.add_mask(name, path)
            if options.show:
                shown.append((Path(name).name, image))
    writer.end()
    return shown


COMMAND = Command("predict", "classify images with a trained network", DESCRIPTION, add_arguments, run, can_be_quiet=True)
