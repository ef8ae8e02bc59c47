"""Command ``refconv list``: list the architectures, the data sets and the trained weights."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refconv.cli.arguments import one_of
from refconv.cli.command import Command
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.typing import Shape

__all__ = ["COMMAND"]

DESCRIPTION = """\
List the architectures with their input, trainable parameters and output; the data sets with their images, classes, download
size, and whether they are on this computer; and the trained weights that come with refconv, with their data and their
accuracy on test images. Inputs and outputs are height × width × channels; a single number is a number of classes. Append
"-small" to the name of an architecture for the variant that trains on a laptop. No network is built and no file of a data set
is opened.
"""

MEGABYTE = 1_000_000


def add_arguments(parser: Parser) -> None:
    parts = {**one_of("architectures", "data", "weights"), "metavar": "PART"}
    parser.add_argument("part", nargs="?", **parts, help="architectures, data or weights (default: all)")
    parser.add_argument("--root", metavar="DIR", help="folder to search for data (default: REFCONV_DATA_DIR and the cache)")


def run(options: Namespace) -> None:
    tables = []
    if options.part in (None, "architectures"):
        tables.append(_table(("architecture", "input", "parameters", "output"), _architectures()))
    if options.part in (None, "data"):
        head = ("data", "images", "training", "test", "classes", "download", "on this computer")
        tables.append(_table(head, _data(options.root)))
    if options.part in (None, "weights"):
        tables.append(_table(("weights", "data", "test accuracy", "size"), _weights()))
    print("\n\n".join(tables))


def _architectures() -> list[tuple[str, ...]]:
    from refconv import models

    rows: list[tuple[str, ...]] = []
    for name in models.names():
        shape = models.input_shape(name)
        layer = models.create(name).inference_layer
        parameters = layer.count_parameters(shape, trainable_only=True)
        rows.append((name, _sizes(shape), f"{parameters:,}", _sizes(layer.output_shape(shape))))
    return rows


def _data(root: str | None) -> list[tuple[str, ...]]:
    from refconv.data.sources import SOURCES, available

    rows: list[tuple[str, ...]] = []
    for source in SOURCES.values():
        counts = ["any number" if count is None else f"{count:,}" for count in (source.train, source.test)]
        size = "none" if source.download_size is None else f"{source.download_size / MEGABYTE:,.1f} MB"
        found = "drawn" if source.load is None else "yes" if available(source, root) else "no"
        rows.append((source.name, _sizes(source.shape), *counts, f"{len(source.classes)}", size, found))
    return rows


def _weights() -> list[tuple[str, ...]]:
    from refconv.models.pretrained import PACKAGED, weights_path
    from refconv.weights.tensors import MODEL, read_tensors

    rows: list[tuple[str, ...]] = []
    for network, names in PACKAGED.items():
        for name in names:
            path = weights_path(network, name)
            notes = read_tensors(path, MODEL)[1]["notes"]
            size = f"{path.stat().st_size / MEGABYTE:.1f} MB"
            rows.append((f"{network}:{name}", notes["data"], f"{100 * notes['test_accuracy']:.2f} %", size))
    return rows


def _sizes(shape: Shape) -> str:
    return "×".join(map(str, shape))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table as lines; names are aligned on the left, numbers on the right."""
    from refconv._tables import aligned

    return "\n".join(aligned([head, *rows], {0, 1, len(head) - 1}))


COMMAND = Command("list", "list the architectures, the data sets and the trained weights", DESCRIPTION, add_arguments, run)
