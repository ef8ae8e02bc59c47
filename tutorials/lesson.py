"""What the notebooks share: a loop beside its formula, some digits to look at, and checks of answers."""

import ast
import contextlib
import functools
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

__all__ = ["checked", "checked_function", "digits", "show", "source"]

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


def checked(check):
    """Make a function that raises for a wrong answer into the check of an exercise.

    It prints whether an answer is right or still open, which is ``...`` or a function with nothing but ``...`` in it.
    """

    @functools.wraps(check)
    def run(answer):
        if _is_open(answer):
            print("Still open: put your answer in place of the dots, and run the cell again.")
        else:
            check(answer)
            print("Right.")

    return run


def checked_function(check):
    """Like :func:`checked`, for an answer that is a function of numbers and arrays and may depend on nothing else."""

    @checked
    @functools.wraps(check)
    def run(answer):
        check(_called_again(answer) if inspect.isfunction(answer) else answer)

    return run


def _called_again(function):
    """The function, with further calls at each call: AssertionError if it keeps state.

    A call with other numbers comes first: from a cache by shape, the check gets the result of that call.
    """

    @functools.wraps(function)
    def run(*arguments):
        with contextlib.suppress(Exception):
            function(*_others(arguments))
        first = function(*_copies(arguments))
        before = _copies(_parts(first))
        second = _copies(_parts(function(*_copies(arguments))))
        assert _same(before, second), "a second call with the same arguments returns something else: it must keep no state"
        with contextlib.suppress(Exception):
            function(*_others(arguments))
        assert _same(before, _parts(first)), "a later call changes the result of an earlier one: return a new array each time"
        return first

    return run


def _parts(result):
    return result if isinstance(result, tuple | list) else (result,)


def _copies(values):
    """The values, with copies of the arrays."""
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]


def _others(values):
    """The values, with arrays of the same shapes that hold other numbers: in another order each, halved if fractions."""
    return [_other(value, k) if isinstance(value, np.ndarray) else value for k, value in enumerate(values)]


def _other(array, shift):
    turned = np.roll(np.flip(array), shift)
    return turned * 0.5 if array.dtype.kind == "f" else turned


def _same(results, others):
    """True if two calls returned the same numbers, except for rounding; results that are no numbers are not compared."""
    pairs = [(np.asarray(one), np.asarray(other)) for one, other in zip(results, others, strict=False)]
    numbers = [(one, other) for one, other in pairs if one.dtype.kind in "biuf" and other.dtype.kind in "biuf"]
    same = [one.shape == other.shape and np.allclose(one, other, rtol=1e-9, equal_nan=True) for one, other in numbers]
    return len(results) == len(others) and all(same)


def _is_open(answer):
    if inspect.isfunction(answer):

        def dots(): ...

        return answer.__code__.co_code == dots.__code__.co_code
    return answer is ... or (isinstance(answer, (tuple, list)) and any(_is_open(part) for part in answer))
