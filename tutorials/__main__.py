"""``python -m tutorials``: run the notebooks and write them with their outputs.

The source of a notebook is a text file, ``NN_name.md``: edit this file. ``NN_name.ipynb`` in the same folder is the notebook
with its outputs, for readers who do not run it. By default the notebooks are written to another folder, so yours stay as they
are; ``--in-place`` updates the notebooks next to the texts, except notebooks whose cells were edited by hand.
"""

import argparse
import base64
import hashlib
import io
import json
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

from refconv._ascii import use_ascii_forms
from refconv._files import write_atomically
from refconv._progress import bar
from refconv.cli.parser import Parser, did_you_mean
from refconv.data.pictures import on_white

PROGRAM = "python -m tutorials"
FOLDER = Path(__file__).resolve().parent
TEXTS = {text.stem: text for text in sorted(FOLDER.glob("[0-9]*.md"))}


def main(arguments=None):
    """Run the notebooks named in the arguments, or all of them if none is named."""
    use_ascii_forms()
    options = parser().parse_args(arguments)
    folder = FOLDER if options.in_place else options.output
    targets = {name: folder / f"{name}.ipynb" for name in matching_names(options.names)}
    refuse_targets(folder, targets.values(), options.overwrite)  # before running them, which takes minutes
    times = {}
    with bar("running", len(targets), "notebooks") as advance:
        for name, target in targets.items():
            advance(0, name)
            start = time.perf_counter()
            notebook = run(TEXTS[name])
            times[name] = time.perf_counter() - start
            if not options.overwrite:
                refuse_edited([target])  # the user may have saved it while the notebook was running
            try:
                write_atomically(target, f"{nbformat.writes(notebook)}\n".encode())
            except OSError as error:
                sys.exit(f"{PROGRAM}: {target} cannot be written: {error}")
            advance(1)
    for name, seconds in times.items():
        print(f"{targets[name]}  {seconds:5.1f} s")


def parser():
    """Return the parser of the command's arguments."""
    parser = Parser(PROGRAM, __doc__)
    parser.add_argument("names", nargs="*", type=name_prefix, metavar="NAME", help="such as 01_one_sum or 01 (default: all)")
    parser.add_argument("--output", type=Path, default=Path("rendered"), metavar="FOLDER", help="(default: %(default)s)")
    parser.add_argument("--in-place", action="store_true", help="write next to the texts instead of to --output")
    parser.add_argument("--overwrite", action="store_true", help="replace notebooks even if they were edited by hand")
    return parser


def name_prefix(text):
    """Return `text` if a notebook's name begins with it; raise ArgumentTypeError otherwise."""
    if not any(name.startswith(text) for name in TEXTS):
        advice = did_you_mean(text, TEXTS)
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(TEXTS)} or a beginning, got {text!r}{advice}")
    return text


def matching_names(prefixes):
    """Return the names of the notebooks that begin with one of the prefixes (none: all names)."""
    return [name for name in TEXTS if not prefixes or name.startswith(tuple(prefixes))]


def refuse_targets(folder, targets, overwrite):
    """Exit if a notebook cannot be written, or was edited by hand and must not be replaced."""
    if folders := [str(target) for target in targets if target.is_dir()]:
        sys.exit(f"{PROGRAM}: a notebook's path must not be a folder, got {', '.join(folders)}. Rename it or use --output.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        sys.exit(f"{PROGRAM}: {folder} cannot be written: {error}")
    if not overwrite:
        refuse_edited(targets)


def refuse_edited(paths):
    """Exit if one of these notebooks exists and was edited by hand."""
    if edited := [str(path) for path in paths if path.exists() and is_edited(path)]:
        sys.exit(
            f"{PROGRAM}: edited by hand, so not replaced: {', '.join(edited)}. "
            "Rename them to keep them, write to another folder with --output, or replace them with --overwrite."
        )


def is_edited(path):
    """Return True if a notebook's cells differ from the rendered ones, or if it cannot be read.

    The id of a rendered cell is a digest of its content, and notebook editors keep the id when the content changes. The
    notebook's metadata contain a digest of all ids. In a notebook of an earlier version, which has no such digest, the text
    file shows whether a cell is missing. Empty cells are ignored, since editors append them, and so are outputs, since every
    run replaces them.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        sources = ["".join(cell["source"]) for cell in notebook["cells"]]
        names = [cell["id"] for cell, source in zip(notebook["cells"], sources, strict=True) if source.strip()]
        if names != [cell_id(place, source) for place, source in enumerate(sources) if source.strip()]:
            return True
        if "refconv" in notebook["metadata"]:
            return notebook["metadata"]["refconv"]["cells"] != digest(names)
        return set(names) < {cell.id for cell in read(TEXTS[path.stem]).cells if cell.source.strip()}
    except (KeyError, OSError, TypeError, ValueError):
        return True  # rendering did not write this file


def digest(names):
    """Return one digest of the ids of all non-empty cells."""
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:16]


def cell_id(place, source):
    """Return the id of a cell: a digest of its position and its source."""
    return hashlib.sha256(f"{place} {source}".encode()).hexdigest()[:8]


def read(text):
    """Return the notebook of a text, with cell ids that depend only on the content.

    Unchanged cells therefore stay the same in the file.
    """
    notebook = jupytext.read(text)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for place, cell in enumerate(notebook.cells):
        cell.id = cell_id(place, cell.source)
        cell.metadata = {}
    notebook.metadata["refconv"] = {"cells": digest([cell.id for cell in notebook.cells if cell.source.strip()])}
    return notebook


def run(text):
    """Run a notebook in a separate process; raise an error if a cell does."""
    notebook = read(text)
    NotebookClient(
        notebook,
        timeout=1200,  # seconds for a cell; a busy machine takes several times as long as an idle one
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        record_timing=False,
        coalesce_streams=True,  # one block for each cell's output, even if it was sent in parts
    ).execute()
    del notebook.metadata["language_info"]  # depends on the version of Python
    return with_fewer_colours(notebook)


def with_fewer_colours(notebook):
    """Reduce a notebook's pictures to 256 colours: half the size without a visible difference."""
    pictures = (output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output)
    for data in (data for data in pictures if "image/png" in data):
        picture = on_white(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
        small = io.BytesIO()
        picture.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        data["image/png"] = base64.b64encode(small.getvalue()).decode()
    return notebook


if __name__ == "__main__":
    sys.exit(main())
