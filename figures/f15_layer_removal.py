"""F15: a residual network reads on without one of its blocks; a plain network has a single path, and it breaks.

    python figures/f15_layer_removal.py --measure --show

Both networks are those of F13, with 32 layers, trained for 16 epochs. Then one block is taken out at a time, and nothing is
trained again: where it stood, the residual network keeps its shortcut, and the plain one nothing. The first block of stages
2 and 3 changes the shape and stays. Read are 1,000 digits that no network has seen; seed 0. Source: F15, B9.
"""

import canvas
from f13_residual import SHAPE, small, trained

from refconv import data
from refconv.analysis.paths import deletable, without
from refconv.training import evaluate

DEPTH, EPOCHS = 32, 16
WHOLE = "none"
NETWORKS = {"residual": canvas.BLUE, "plain": canvas.ORANGE}


def measure():
    """A row for each network and each block that is missing; the whole network first."""
    test, rows = data.Batches(*data.draw_digits(1000, 1), 250, shuffle=False, prepare=small), []
    for name in NETWORKS:
        model, _ = trained(name, DEPTH, EPOCHS)
        for block in (WHOLE, *deletable(model, SHAPE)):
            left = model if block == WHOLE else without(model, block)
            rows.append({"network": name, "without": block, "accuracy": round(100 * evaluate(left, test).accuracy, 1)})
    return rows


def draw(rows):
    """Accuracy against the block that is missing, for both networks; behind it those of the whole networks."""
    figure = canvas.canvas("One block less: the residual network reads on, the plain one breaks")
    axes = figure.add_subplot()
    axes.axhline(10, color=canvas.GREY, linewidth=1)
    axes.text(12.6, 10, "guessing", color=canvas.GREY, va="center")
    for name, colour in NETWORKS.items():
        whole, *left = [row for row in rows if row["network"] == name]
        blocks = [row["without"].replace("stage", "").replace(".block", ".") for row in left]
        axes.axhline(whole["accuracy"], color=colour, linewidth=1.5, linestyle=(0, (5, 3)))
        axes.text(12.6, whole["accuracy"], f"{name}, whole", color=colour, va="center")
        axes.plot(
            range(len(left)),
            [row["accuracy"] for row in left],
            "o",
            color=colour,
            markersize=12,
            label=f"{name}, one block missing",
        )
    axes.set_xticks(range(len(blocks)), blocks)
    axes.set(xlabel="the block that is missing (stage.block)", ylabel="test accuracy (%)", xlim=(-0.5, 12.5), ylim=(0, 100))
    axes.legend(loc="center", bbox_to_anchor=(0.72, 0.42), handletextpad=0.2)
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
