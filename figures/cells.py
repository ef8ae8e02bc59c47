"""Matrices of numbered cells, used in the figures of convolution, im2col and pooling."""

from canvas import GREY, INK
from matplotlib.patches import Rectangle


def board(figure, columns, rows):
    """Return axes that fill the figure, in units of cells, with row 0 at the top."""
    axes = figure.add_subplot()
    axes.set(xlim=(-0.2, columns + 0.2), ylim=(rows + 0.2, 0), aspect="equal")  # a margin for the lines at the edge
    axes.set_axis_off()
    return axes


def cells(axes, values, at, *, fill="white", colours=None, size=13, label=None):
    """Draw a matrix of values as squares.

    The upper left corner is at column at[0] and row at[1].
    ``colours[i, j]`` overrides ``fill`` for one cell. A value of None gives an empty cell. ``label`` is written above.
    """
    left, top = at
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            colour = (colours or {}).get((i, j), fill)
            axes.add_patch(Rectangle((left + j, top + i), 1, 1, facecolor=colour, edgecolor=GREY, linewidth=0.8))
            text = "" if value is None else value if isinstance(value, str) else signed(value)
            axes.text(left + j + 0.5, top + i + 0.52, text, ha="center", va="center", fontsize=size, color=INK)
    if label:
        axes.text(left + len(values[0]) / 2, top - 0.3, label, ha="center", va="bottom", fontsize=size + 1)


def signed(value):
    """Return a number as text, with a minus sign instead of a hyphen."""
    return f"{value:g}".replace("-", "−")


def frame(axes, at, rows, columns, colour):
    """Draw a thick frame around cells, such as a window, a row or a column."""
    axes.add_patch(Rectangle(at, columns, rows, fill=False, edgecolor=colour, linewidth=3, joinstyle="round", zorder=3))


def sign(axes, at, symbol, size=24):
    """Draw an operator symbol between matrices."""
    axes.text(*at, symbol, ha="center", va="center", fontsize=size)
