"""F15: a residual network reads on without any one of its blocks; a plain network has a single path, and it breaks.

    python figures/f15_lesions.py --measure --show

Two networks of 32 layers, one with shortcuts and one without, half as wide as the paper's, learn 4,000 drawn digits for three
epochs. Then one block is taken out at a time, and nothing is trained again: where it stood, the residual network keeps its
shortcut, and the plain one nothing. The first block of a stage changes the shape and stays. Seed 0; read are 1,000 digits.
Source: F15, B9.
"""

import canvas

from refconv import data, models
from refconv.models.unravelled import deletable, without
from refconv.museum.classifiers import SHAPE, digits, trained
from refconv.training import evaluate

DEPTH, WIDTH, IMAGES, EPOCHS, LR, SEED = 32, 0.5, 4000, 3, 0.05, 0
WHOLE = "none"
NETWORKS = {"residual": canvas.BLUE, "plain": canvas.ORANGE}


def measure():
    """A row for each network and each block that is missing; the whole network first."""
    training, test = digits("digits", IMAGES, SEED)
    batches, rows = data.Batches(*test, 250), []
    for name in NETWORKS:
        model = models.cifar_resnet(DEPTH, width=WIDTH, plain=name == "plain")
        trained(model, training, epochs=EPOCHS, lr=LR, seed=SEED)
        for block in (WHOLE, *deletable(model, SHAPE)):
            left = model if block == WHOLE else without(model, block)
            rows.append({"network": name, "without": block, "accuracy": round(100 * evaluate(left, batches).accuracy, 1)})
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
    axes.legend(loc="center", bbox_to_anchor=(0.72, 0.42))
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
