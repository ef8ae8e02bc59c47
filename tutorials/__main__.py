"""``python -m tutorials``: run the notebooks and write them with what they print and draw.

A notebook is written as text, ``NN_name.md``, which is what one reads and changes. Beside it lies ``NN_name.ipynb``, the same
with its outputs, for readers who run nothing. A notebook with cells edited by hand is not replaced without ``--overwrite``.
"""

import argparse
import base64
import hashlib
import io
import json
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image
from tqdm import tqdm

from refconv._ascii import use_ascii_forms
from refconv.data.pictures import on_white
from refconv.weights import write_atomically

FOLDER = Path(__file__).resolve().parent
TEXTS = {text.stem: text for text in sorted(FOLDER.glob("[0-9]*.md"))}


def main(arguments=None):
    """Run the notebooks asked for, all of them if none is named."""
    use_ascii_forms()
    parser = argparse.ArgumentParser("python -m tutorials", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 01_one_sum or 01 (default: all)")
    parser.add_argument("--output", type=Path, default=FOLDER, metavar="FOLDER", help="default: beside the texts")
    parser.add_argument("--overwrite", action="store_true", help="replace notebooks even if they were edited by hand")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if not any(text.startswith(name) for text in TEXTS)]:
        parser.error(f"NAME must be one of {', '.join(TEXTS)}, but is {', '.join(unknown)}")
    chosen = [name for name in TEXTS if not options.names or name.startswith(tuple(options.names))]
    targets = {name: options.output / f"{name}.ipynb" for name in chosen}
    if not options.overwrite:
        refuse_edited(targets.values())  # now, not after minutes of running
    times = {}
    for name in (bar := tqdm(chosen, unit="notebook")):
        bar.set_postfix_str(name)
        start = time.perf_counter()
        notebook = run(TEXTS[name])
        times[name] = time.perf_counter() - start
        if not options.overwrite:
            refuse_edited([targets[name]])  # it may have been saved while this one ran
        write_atomically(targets[name], f"{nbformat.writes(notebook)}\n".encode())
    for name, seconds in times.items():
        print(f"{name:36s} {seconds:5.1f} s")


def refuse_edited(paths):
    """End the program if one of these notebooks is there and was edited by hand."""
    if edited := [str(path) for path in paths if path.exists() and is_edited(path)]:
        sys.exit(
            f"python -m tutorials: edited by hand, so not replaced: {', '.join(edited)}. "
            "Rename them to keep them, write to another folder with --output, or replace them with --overwrite."
        )


def is_edited(path):
    """Whether a notebook has cells that rendering did not write.

    A rendered cell is named after its content, and notebook editors keep the name of a cell that changes. Empty cells, which
    editors append, do not count.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells]
        return any(
            source.strip() and cell["id"] != cell_id(place, source)
            for place, (cell, source) in enumerate(zip(cells, sources, strict=True))
        )
    except (KeyError, TypeError, ValueError):
        return True  # rendering did not write this file


def cell_id(place, source):
    """The name of a cell: a digest of its place and its source."""
    return hashlib.sha256(f"{place} {source}".encode()).hexdigest()[:8]


def read(text):
    """A notebook from its text, with cells named after their content: what is not changed stays the same in the file."""
    notebook = jupytext.read(text)
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for place, cell in enumerate(notebook.cells):
        cell.id = cell_id(place, cell.source)
        cell.metadata = {}
    return notebook


def run(text):
    """Run a notebook in a process of its own; an error in a cell is an error here."""
    notebook = read(text)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        record_timing=False,
        coalesce_streams=True,  # what a cell prints is one block, however it was sent
    ).execute()
    del notebook.metadata["language_info"]  # names the very Python that ran it
    return lighter(notebook)


def lighter(notebook):
    """The same notebook with pictures of at most 256 colours: half the size or less, and nobody sees it."""
    pictures = (output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output)
    for data in (data for data in pictures if "image/png" in data):
        picture = on_white(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
        small = io.BytesIO()
        picture.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        data["image/png"] = base64.b64encode(small.getvalue()).decode()
    return notebook


if __name__ == "__main__":
    sys.exit(main())
