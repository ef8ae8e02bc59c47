"""F15: a residual network still works without one of its blocks; a plain network does not.

    python figures/f15_layer_removal.py --measure --show

A residual network has many paths, a plain network has a single one. Both are the networks of F13, with 32 layers, trained
for 16 epochs. Then one block at a time is removed, without any further training: the residual network keeps the block's
shortcut, the plain one keeps nothing. The first block of stages 2 and 3 changes the shape and is not removed. The accuracy
is measured on 1,000 new digits; seed 0. Source: lecture rows F15 and B9 (SOURCES.md).
"""

import canvas
from f13_residual import SHAPE, small, trained

from refconv import data
from refconv.analysis.paths import deletable, without
from refconv.training import evaluate

DEPTH, EPOCHS = 32, 16
COMPLETE = "none"
NETWORKS = {"residual": canvas.BLUE, "plain": canvas.ORANGE}


def measure():
    """Return a row for each network and each removed block, with the complete network first."""
    test, rows = data.Batches(*data.draw_digits(1000, 1), 250, shuffle=False, prepare=small), []
    for name in NETWORKS:
        model, _ = trained(name, DEPTH, EPOCHS)
        for block in (COMPLETE, *deletable(model, SHAPE)):
            remaining = model if block == COMPLETE else without(model, block)
            rows.append({"network": name, "without": block, "accuracy": round(100 * evaluate(remaining, test).accuracy, 1)})
    return rows


def draw(rows):
    """Draw accuracy against the removed block, and dashed lines for the complete networks."""
    figure = canvas.canvas("One block removed: the residual network works, the plain one fails")
    axes = figure.add_subplot()
    axes.axhline(10, color=canvas.GREY, linewidth=1)
    axes.text(12.6, 10, "guessing", color=canvas.GREY, va="center")
    for name, colour in NETWORKS.items():
        complete, *removed = [row for row in rows if row["network"] == name]
        blocks = [row["without"].replace("stage", "").replace(".block", ".") for row in removed]
        axes.axhline(complete["accuracy"], color=colour, linewidth=1.5, linestyle=(0, (5, 3)))
        axes.text(12.6, complete["accuracy"], f"{name}, complete", color=colour, va="center")
        axes.plot(
            range(len(removed)),
            [row["accuracy"] for row in removed],
            "o",
            color=colour,
            markersize=12,
            label=f"{name}, one block removed",
        )
    axes.set_xticks(range(len(blocks)), blocks)
    axes.set(xlabel="removed block (stage.block)", ylabel="test accuracy (%)", xlim=(-0.5, 12.5), ylim=(0, 100))
    axes.legend(loc="center", bbox_to_anchor=(0.72, 0.42), handletextpad=0.2)
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
