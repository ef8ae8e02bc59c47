"""What the notebooks share: a loop beside its formula, and digits and matrices to look at."""

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

sys.path.append(str(Path(__file__).parents[1]))  # the folder of experiments/, which is not installed

# Pictures small enough to stand between two paragraphs.
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
    """The formula of a loop and the loop itself, read from the package, so that they are what runs.

    Parameters
    ----------
    function : function
        Any function or class of refconv; those of :mod:`refconv.reference` bear their formula.

    Returns
    -------
    Markdown
        The formula, the code without its docstring, and where it stands.
    """
    text, first = inspect.getsourcelines(function)
    lines = textwrap.dedent("".join(text)).splitlines()
    says = ast.parse("\n".join(lines)).body[0].body[0]
    if ast.get_docstring(ast.parse("\n".join(lines)).body[0]):
        del lines[says.lineno - 1 : says.end_lineno]
    docstring = inspect.getdoc(function) or ""
    formulas = re.findall(r"\.\. math::\s*(.*?)(?=\.\. math::|\n\s*\n|\Z)", docstring, re.DOTALL)
    path = Path(inspect.getsourcefile(function)).relative_to(Path(refconv.__file__).parents[1]).as_posix()
    cited = re.search(r"^Source: (.*)", docstring, re.MULTILINE)
    blocks = [f"$$ {' '.join(formula.split())} $$" for formula in formulas]
    blocks.append("```python\n" + "\n".join(lines) + "\n```")
    blocks.append(f"[{path}, line {first}](../{path}#L{first})" + (f" · slide {cited[1].rstrip('.')}" if cited else ""))
    return Markdown("\n\n".join(blocks))


def digits(split="train", count=None):
    """Handwritten digits: MNIST where its files are present, digits that refconv draws where they are not.

    Parameters
    ----------
    split : {"train", "test"}
    count : int, optional
        How many, from the first on; without it all of MNIST, or 20,000 drawn ones (test: 4,000).

    Returns
    -------
    images : array (count, 28, 28), uint8
        0 is the background, 255 the ink.
    labels : array (count,), uint8
    """
    try:
        images, labels = data.load_mnist(split, download=False)
    except data.DataNotFound:
        default, seed = (20_000, 0) if split == "train" else (4_000, 1)
        images, labels = data.draw_digits(count or default, seed)
    return images[:count], labels[:count]


def show(arrays, frames=None, numbers=64):
    """Matrices and images side by side, each under its title; the cells of small ones bear their numbers.

    White is 0, and shades of grey run to the largest number. Where an array has negative numbers, they are orange, and
    positive ones violet.

    Parameters
    ----------
    arrays : dict of str to array (rows, columns)
        By their titles; (rows, columns, 3) is an image in colour, from 0 to 1.
    frames : dict of str to list of (row, column, rows, columns), optional
        Windows to mark, by the title of their array.
    numbers : int
        The most elements of an array whose numbers are written.
    """
    arrays = {title: np.asarray(array, float) for title, array in arrays.items()}
    widths, most = [array.shape[1] for array in arrays.values()], max(len(array) for array in arrays.values())
    cell = min(0.5, 7.6 / sum(widths), 2.8 / most)  # inches
    figure, axes = plt.subplots(1, len(arrays), width_ratios=widths, squeeze=False)
    figure.set_size_inches(cell * sum(widths) + 0.25 * len(arrays), cell * most + 0.4)
    for axis, (title, array) in zip(axes.flat, arrays.items(), strict=True):
        _matrix(axis, array, array.size <= numbers and array.ndim == 2)
        axis.set_title(title, fontsize=11)
        for i, j, rows, columns in (frames or {}).get(title, ()):
            axis.add_patch(
                Rectangle((j - 0.5, i - 0.5), columns, rows, fill=False, edgecolor=PALETTE[1], linewidth=2.5, clip_on=False)
            )
    plt.show()


def _matrix(axis, array, written):
    signed, largest = array.min() < 0, np.abs(array).max() or 1
    limit = largest * 3 if written else largest  # pale shades behind numbers, so that they can be read
    if array.ndim == 3:
        axis.imshow(array)
    else:
        axis.imshow(array, SIGNED if signed else "gray_r", vmin=-limit if signed else 0, vmax=limit)
    axis.set_anchor("N")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="#BBBBBB")
    for (i, j), value in np.ndenumerate(array) if written else ():
        words = f"{value + 0.0:.0f}" if value == round(value) else f"{value:.2g}"  # + 0.0: no −0
        axis.text(j, i, words.replace("-", "−"), ha="center", va="center", fontsize=11)
