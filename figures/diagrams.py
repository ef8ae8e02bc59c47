"""Architectures on a slide: refconv.drawing's volumes and blocks, with letters that can be read from the last row."""

import canvas

from refconv import models
from refconv.drawing import flow
from refconv.drawing import volumes as chain

LETTERS = 11.0  # points, at least
ROOM = 9.7, 4.75  # inches below the title


def network(title, name):
    """A model of this name as volumes, with its counts below."""
    model, shape = models.create(name), models.input_shape(name)
    weights, products = model.count_parameters(shape) / 1e6, model.multiply_adds(shape) / 1e6
    figure = canvas.canvas(title)
    figure.supxlabel(f"{weights:,.0f} million weights, {products:,.0f} million multiply-adds", fontsize=13)
    volumes(figure, model, shape)
    return figure


def volumes(figure, model, shape):
    """A chain as volumes from left to right, their sizes above and what makes them below."""
    axes = _axes(figure)
    chain.draw(axes, chain.volumes(model, shape))
    left, right = axes.get_xlim()
    letter = chain.LETTER * LETTERS / 8 * (right - left) / ROOM[0]  # its width; the axes were made for letters of 8 points
    low = high = 0.0
    for text in axes.texts:
        text.set(text=text.get_text().replace(", 2 groups", ",\n2 groups"), fontsize=LETTERS, linespacing=1.0)
        (_, y), longest = text.get_position(), max(map(len, text.get_text().splitlines()))
        high = max(high, y + letter * (longest + 1)) if text.get_va() == "bottom" else high
        low = min(low, y - letter * (longest + 1)) if text.get_va() == "top" else low
    axes.set_ylim(low, high)


def blocks(figure, named):
    """Blocks side by side: (name, layer, shape of its input), each from top to bottom."""
    axes = _axes(figure)
    flow.beside(axes, named)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    scale = min(ROOM[0] / (right - left), ROOM[1] / (high - low))
    for text in axes.texts:
        text.set_fontsize(text.get_fontsize() * max(scale, 1.22))  # there is some room around the words


def _axes(figure):
    axes = figure.add_subplot(aspect="equal")
    axes.set_axis_off()
    return axes
