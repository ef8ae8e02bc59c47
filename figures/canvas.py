"""Shared code of all figures: one style, and the steps from a script to its picture.

A script ``fNN_name.py`` has a function ``draw``, which computes numbers with refconv and returns a matplotlib figure, saved
as ``fNN_name.png``, or an `Animation`, saved as ``fNN_name.gif``. An experiment also has a function ``measure``, which takes
minutes and returns rows, one dictionary each. The rows are stored in ``fNN_name.csv``, and ``draw(rows)`` plots them.
So redrawing is instant, and ``--measure`` repeats the experiment.

Each picture stores a digest of its contents. A test draws the picture again and compares the digests, so the result does
not depend on the version of matplotlib. This requires two rules: numbers computed while drawing are float64, so that
differences between processors are too small to see, and results of a training are stored in the CSV file.
"""

import argparse
import csv
import hashlib
import io
import sys
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from PIL import Image, PngImagePlugin

from refconv import get_config
from refconv._files import write_atomically
from refconv.drawing.style import INK, PALETTE

sys.path.append(str(Path(__file__).parents[1]))  # experiments/ is not installed, so its parent folder must be importable

BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW = PALETTE
GREY, PALE = "#767676", "#EEEEEE"
SHADES = "Blues"  # colour map for values of one sign; in DIVERGING, zero is white
DIVERGING = "PuOr"

DPI = 160
STYLE = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.prop_cycle": matplotlib.cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 15,
    "figure.titlesize": 19,
    "font.family": "DejaVu Sans",
    "font.size": 13,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
matplotlib.rcParams.update(STYLE)


@dataclass(frozen=True)
class Animation:
    """Sequence of figures of equal size, each with its duration in milliseconds."""

    frames: list[Figure]
    milliseconds: list[int]


def canvas(title="", width=10.0, height=5.6) -> Figure:
    """Return an empty figure in the format of a slide; width and height are in inches.

    It is created without pyplot, which needs a display and keeps global state.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    if title:
        figure.suptitle(title)
    return figure


def contents(drawn) -> str:
    """Return a digest of the texts, numbers (four digits) and colours in a picture."""
    frames = drawn.frames if isinstance(drawn, Animation) else [drawn]
    digest = hashlib.sha256()
    for word in (word for frame in frames for word in _shown(frame)):
        digest.update(f"{word}\n".encode())
    return digest.hexdigest()


def _shown(figure):
    yield from (text.get_text() for text in (*figure.texts, *([figure._suptitle] if figure._suptitle else [])))
    for legend in figure.legends:
        yield from (text.get_text() for text in legend.get_texts())
    for axes in figure.axes:
        legend = axes.get_legend()
        labels = [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts, *(legend.get_texts() if legend else ())]
        yield from (text.get_text() for text in labels)
        for line in axes.lines:
            yield f"{to_hex(line.get_color())} {_digits(line.get_xydata())}"
        for image in axes.images:
            yield _digits(image.get_array())
        for patch in axes.patches:
            yield f"{to_hex(patch.get_facecolor())} {_digits(_outline(patch))}"
        for collection in axes.collections:
            yield _digits(collection.get_offsets()) + _digits(collection.get_array())


def _outline(patch):
    """Return the coordinates of a rectangle or polygon; None for arrows, which the layout sets."""
    if isinstance(patch, Rectangle):
        return [*patch.get_xy(), patch.get_width(), patch.get_height()]
    return patch.get_path().vertices if isinstance(patch, Polygon) else None


def _digits(numbers):
    if numbers is None:
        return ""
    values = np.ma.filled(np.ma.asarray(numbers, dtype=float), np.nan).ravel()
    return " ".join(f"{value + 0.0:.4g}" for value in np.where(np.abs(values) < 1e-9, 0.0, values))


def make(draw, measure=None, again=False):
    """Save a script's picture and return its path; ``again`` repeats the experiment first."""
    script = Path(sys.modules[draw.__module__].__file__).resolve()
    if measure and again:
        write_atomically(script.with_suffix(".csv"), _measured(script, measure))
    drawn = redrawn(script, draw, measure)
    path = script.with_suffix(".gif" if isinstance(drawn, Animation) else ".png")
    write_atomically(path, _gif(drawn) if isinstance(drawn, Animation) else _png(drawn))
    return path


def redrawn(script, draw, measure=None):
    """Return the drawn figure, with the command, duration and threads of an experiment below it."""
    if not measure:
        return draw()
    if not script.with_suffix(".csv").exists():
        sys.exit(f"{script.name} must have its measurements in {script.stem}.csv, got none: run it with --measure first")
    remark, rows = read(script.with_suffix(".csv"))
    figure = draw(rows)
    figure.supxlabel(remark, fontsize=9, color=GREY)
    return figure


def read(path):
    """Read the remark and the rows of a CSV file, and convert numbers."""
    with open(path, newline="", encoding="utf-8") as file:
        remark = file.readline().removeprefix("# ").strip()
        return remark, [{key: _number(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _number(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _measured(script, measure):
    start = time.perf_counter()
    rows = measure()
    seconds = time.perf_counter() - start
    text = io.StringIO()
    threads = f"{get_config().threads} thread{'s' * (get_config().threads != 1)}"
    text.write(f"# python figures/{script.name} --measure: {seconds:.0f} s on {threads}\n")
    table = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def _pixels(figure, dpi):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return Image.open(buffer).convert("RGB")


def _png(figure):
    about = PngImagePlugin.PngInfo()
    about.add_text("Contents", contents(figure))
    small = _pixels(figure, DPI).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True, pnginfo=about)
    return buffer.getvalue()


def _gif(animation):
    """Encode an animation with the palette of its last frame, which shows everything."""
    frames = [_pixels(frame, DPI * 0.6) for frame in animation.frames]
    colours = frames[-1].quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small = [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]
    parts = np.reshape(colours.getpalette(), (-1, 3))
    parts[parts.min(axis=1) > 247] = 255  # keep the background pure white: quantising averages it with near-white pixels
    for frame in small:
        frame.putpalette(parts.ravel().tolist())
    buffer = io.BytesIO()
    small[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=small[1:],
        duration=animation.milliseconds,
        loop=0,
        optimize=True,
        comment=contents(animation).encode(),
    )
    return buffer.getvalue()


def digest_of(path) -> str:
    """Return the digest stored in a picture."""
    with Image.open(path) as picture:
        digest = picture.info["Contents" if path.suffix == ".png" else "comment"]
    return digest if isinstance(digest, str) else digest.decode()


def main(draw, measure=None):
    """Run the command line of a figure script."""
    module = sys.modules[draw.__module__]
    parser = argparse.ArgumentParser(description=(module.__doc__ or "").partition("\n")[0])
    parser.add_argument("--show", action="store_true", help="open the picture in the browser")
    if measure:
        parser.add_argument("--measure", action="store_true", help="repeat the experiment first, which takes minutes")
    options = parser.parse_args()
    path = make(draw, measure, getattr(options, "measure", False))
    print(path)
    if options.show:
        webbrowser.open(path.as_uri())
