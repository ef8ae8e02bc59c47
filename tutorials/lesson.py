"""Shared helpers of the notebooks: show a loop with its formula, load digits, draw matrices."""

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

import refconv
from refconv import data
from refconv.drawing.style import PALETTE

__all__ = ["digits", "show", "source"]

sys.path.append(str(Path(__file__).parents[1]))  # so that notebooks can import experiments/, which is not installed

# The figures are small enough to fit between two paragraphs.
matplotlib.rcParams.update(
    {
        "axes.prop_cycle": matplotlib.cycler(color=PALETTE),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.constrained_layout.use": True,
        "figure.dpi": 80,
        "figure.figsize": (8, 3.2),
        "image.cmap": "gray_r",
        "legend.frameon": False,
    }
)

SIGNED = LinearSegmentedColormap.from_list("signed", ["#B35806", "#F1A340", "white", "#998EC3", "#542788"])


def source(function) -> Markdown:
    """Return the formula and the source of a loop, read from the installed package.

    Parameters
    ----------
    function : function
        Any function or class of refconv; the docstrings in :mod:`refconv.reference` contain formulas.

    Returns
    -------
    Markdown
        The formula, the code without its docstring, and a link to the source file.
    """
    text, first = inspect.getsourcelines(function)
    lines = textwrap.dedent("".join(text)).splitlines()
    statement = ast.parse("\n".join(lines)).body[0].body[0]
    if ast.get_docstring(ast.parse("\n".join(lines)).body[0]):
        del lines[statement.lineno - 1 : statement.end_lineno]
    docstring = inspect.getdoc(function) or ""
    formulas = re.findall(r"\.\. math::\s*(.*?)(?=\.\. math::|\n\s*\n|\Z)", docstring, re.DOTALL)
    path = Path(inspect.getsourcefile(function)).relative_to(Path(refconv.__file__).parents[1]).as_posix()
    cited = re.search(r"^Source: (.*)", docstring, re.MULTILINE)
    blocks = [f"$$ {' '.join(formula.split())} $$" for formula in formulas]
    blocks.append("```python\n" + "\n".join(lines) + "\n```")
    blocks.append(
        f"[{path}, line {first}](../{path}#L{first})"
        + (f" · {cited[1].rstrip('.').replace(' (SOURCES.md)', '')}" if cited else "")
    )
    return Markdown("\n\n".join(blocks))


def digits(split="train", count=None):
    """Load MNIST if its files are present; otherwise draw digits.

    Parameters
    ----------
    split : {"train", "test"}
    count : int, optional
        Number of digits, beginning with the first. By default all of MNIST, or 20,000 drawn digits (test: 4,000).

    Returns
    -------
    images : array (count, 28, 28), uint8
        Background is 0, ink is 255.
    labels : array (count,), uint8
    """
    try:
        images, labels = data.load_mnist(split, download=False)
    except data.DataNotFound:
        default, seed = (20_000, 0) if split == "train" else (4_000, 1)
        images, labels = data.draw_digits(count or default, seed)
    return images[:count], labels[:count]


def show(arrays, frames=None, numbers=64):
    """Draw matrices and images side by side with titles, and the numbers of small ones.

    White is 0, and black is the largest number. If an array has negative numbers, negative numbers are orange and positive
    numbers are violet.

    Parameters
    ----------
    arrays : dict of str to array (rows, columns)
        The keys are the titles. An array (rows, columns, 3) is an image in colour, from 0 to 1.
    frames : dict of str to list of (row, column, rows, columns), optional
        Windows to mark; the keys are the titles of the arrays.
    numbers : int
        Numbers are shown only in arrays with at most this number of elements.
    """
    arrays = {title: np.asarray(array, float) for title, array in arrays.items()}
    widths, most = [array.shape[1] for array in arrays.values()], max(len(array) for array in arrays.values())
    cell = min(0.5, 7.6 / sum(widths), 2.8 / most)  # inches
    figure, axes = plt.subplots(1, len(arrays), width_ratios=widths, squeeze=False)
    figure.set_size_inches(cell * sum(widths) + 0.25 * len(arrays), cell * most + 0.4)
    for axis, (title, array) in zip(axes.flat, arrays.items(), strict=True):
        _draw_matrix(axis, array, array.size <= numbers and array.ndim == 2)
        axis.set_title(title, fontsize=11)
        for i, j, rows, columns in (frames or {}).get(title, ()):
            axis.add_patch(
                Rectangle((j - 0.5, i - 0.5), columns, rows, fill=False, edgecolor=PALETTE[1], linewidth=2.5, clip_on=False)
            )
    plt.show()


def _draw_matrix(axis, array, with_numbers):
    signed, largest = array.min() < 0, np.abs(array).max() or 1
    limit = largest * 3 if with_numbers else largest  # pale shades, so that the numbers are legible
    if array.ndim == 3:
        axis.imshow(array)
    else:
        axis.imshow(array, SIGNED if signed else "gray_r", vmin=-limit if signed else 0, vmax=limit)
    axis.set_anchor("N")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="#BBBBBB")
    for (i, j), value in np.ndenumerate(array) if with_numbers else ():
        label = f"{value + 0.0:.0f}" if value == round(value) else f"{value:.2g}"  # + 0.0 turns −0 into 0
        axis.text(j, i, label.replace("-", "−"), ha="center", va="center", fontsize=11)
