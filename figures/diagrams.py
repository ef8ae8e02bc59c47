"""Diagrams of architectures from refconv.drawing, with letters large enough for a lecture."""

import canvas

from refconv import models
from refconv.drawing import flow
from refconv.drawing import volumes as chain

LETTERS = 11.0  # points, the minimum size
AREA = 9.7, 4.75  # inches: width and height available below the title


def network(title, name):
    """Draw a named model as volumes, with its numbers of weights and multiply-adds below."""
    model, shape = models.create(name), models.input_shape(name)
    weights, products = model.count_parameters(shape) / 1e6, model.multiply_adds(shape) / 1e6
    figure = canvas.canvas(title)
    figure.supxlabel(f"{weights:,.0f} million weights, {products:,.0f} million multiply-adds", fontsize=13)
    volumes(figure, model, shape)
    return figure


def volumes(figure, model, shape):
    """Draw a chain of layers as volumes from left to right, with sizes above and layers below."""
    axes = _axes(figure)
    chain.draw(axes, chain.volumes(model, shape))
    left, right = axes.get_xlim()
    letter = chain.LETTER * LETTERS / 8 * (right - left) / AREA[0]  # width of a letter; chain.draw assumes 8 points
    low = high = 0.0
    for text in axes.texts:
        text.set(text=text.get_text().replace(", 2 groups", ",\n2 groups"), fontsize=LETTERS, linespacing=1.0)
        (_, y), longest = text.get_position(), max(map(len, text.get_text().splitlines()))
        high = max(high, y + letter * (longest + 1)) if text.get_va() == "bottom" else high
        low = min(low, y - letter * (longest + 1)) if text.get_va() == "top" else low
    axes.set_ylim(low, high)


def blocks(figure, named):
    """Draw blocks side by side, each from top to bottom; a block is (name, layer, input shape)."""
    axes = _axes(figure)
    flow.beside(axes, named)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    scale = min(AREA[0] / (right - left), AREA[1] / (high - low))
    for text in axes.texts:
        text.set_fontsize(text.get_fontsize() * max(scale, 1.22))  # boxes have a margin around the text, so 1.22 still fits


def _axes(figure):
    axes = figure.add_subplot(aspect="equal")
    axes.set_axis_off()
    return axes
