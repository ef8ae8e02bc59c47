"""Architectures on a slide: refconv.drawing's volumes and blocks, with letters that can be read from the last row."""

import canvas

from refconv import models
from refconv.drawing import flow
from refconv.drawing import volumes as chain
from refconv.drawing.style import INK, size

LETTERS = 11.0  # points, at least
ROOM = 9.7, 4.75  # inches below the title


def network(title, name):
    """A model of this name as volumes, with its counts below."""
    model, shape = models.build(name), models.input_shape(name)
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
    nodes, x, lowest = [flow.node(layer) for _, layer, _ in named], 0.0, 0.0
    for (name, layer, at), node in zip(named, nodes, strict=True):
        axis = x + max(node.left, 0.9)
        axes.text(axis, 0.55, name, ha="center", va="bottom", fontsize=11, weight="bold", color=INK)
        axes.text(axis, 0.36, size(at), ha="center", va="center", fontsize=9, color=INK)
        flow.connect(axes, node, (axis, 0.23), (axis, 0))
        end = flow.draw(axes, node, axis, 0)
        flow.arrow(axes, (axis, end), (axis, end - 0.25))
        axes.text(axis, end - 0.38, size(layer.output_shape(at)), ha="center", va="center", fontsize=9, color=INK)
        x, lowest = axis + max(node.right, 0.9) + 0.8, min(lowest, end)
    axes.set(xlim=(-0.05, x - 0.75), ylim=(lowest - 0.5, 0.8))
    scale = min(ROOM[0] / (x - 0.7), ROOM[1] / (1.3 - lowest))
    for text in axes.texts:
        text.set_fontsize(text.get_fontsize() * max(scale, 1.22))  # there is some room around the words


def _axes(figure):
    axes = figure.add_subplot(aspect="equal")
    axes.set_axis_off()
    return axes
