"""What the notebooks share: a loop beside its formula, some digits to look at, and checks of answers."""

import ast
import functools
import inspect
import re
import textwrap
from pathlib import Path

import matplotlib
from IPython.display import Markdown

import refconv
from refconv import data

__all__ = ["checked", "digits", "source"]

# Okabe and Ito's colours, which the colour-blind can tell apart; pictures small enough to stand between two paragraphs.
matplotlib.rcParams.update(
    {
        "axes.prop_cycle": matplotlib.cycler(color=["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.constrained_layout.use": True,
        "figure.dpi": 80,
        "figure.figsize": (8, 3.2),
        "image.cmap": "gray_r",
        "legend.frameon": False,
    }
)


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


def checked(check):
    """Make a function that raises for a wrong answer into the check of an exercise.

    An answer that is still open, ``...`` or a function with nothing but ``...`` in it, is told so; a right one as well.
    """

    @functools.wraps(check)
    def run(answer):
        if _is_open(answer):
            print("Still open: put your answer in place of the dots, and run the cell again.")
        else:
            check(answer)
            print("Right.")

    return run


def _is_open(answer):
    if inspect.isfunction(answer):

        def dots(): ...

        return answer.__code__.co_code == dots.__code__.co_code
    return answer is ... or (isinstance(answer, (tuple, list)) and any(part is ... for part in answer))
