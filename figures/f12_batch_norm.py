"""F12: batch normalisation lets LeNet-5 learn at 30 times the rate, and with sigmoids.

    python figures/f12_batch_norm.py --measure --show

Without it, LeNet-5 learns nothing at 30 times the learning rate. LeNet-5 networks without batch normalisation, and with it
after each layer except the last, learn 6,400 drawn digits for two epochs in batches of 32, at constant learning rates with
momentum 0.9. Lines are means of five runs (seeds 0 to 4); bands extend from the worst to the best run. Compare lines of the
same colour on the left and on the right. The dotted line is the best mean accuracy of the baseline; a dot marks the first
logged step at which a mean reaches it. The table gives this step ("–": none within 400 steps) and the best mean accuracy, as
Figure 3 of the paper does. Unlike in the paper, BN-x30 does not overtake the others; the paper's BN-x5 and BN-x30 also have a
faster decay of the learning rate, less weight decay and no dropout.
Source: lecture rows F12, A13 and D5 (SOURCES.md).
"""

import math

import canvas
import numpy as np

from experiments.accuracy_log import best_accuracy, first_step
from experiments.batch_norm import BASELINE, NETWORKS, accuracies

SEEDS = range(5)
COLOURS = {"Baseline": canvas.BLUE, "x5": canvas.GREEN, "x30": canvas.ORANGE, "x5-Sigmoid": canvas.PURPLE}
SIDES = {"": "without batch normalisation", "BN-": "with batch normalisation"}  # by the prefix of the networks' names


def measure():
    """Return a row for each network and logged step, with five accuracies."""
    rows = []
    for name in (prefix + name for prefix in SIDES for name in COLOURS):
        for logged in zip(*(accuracies(NETWORKS[name], seed) for seed in SEEDS), strict=True):
            seeds = {f"seed {seed}": accuracy for seed, (_, accuracy) in zip(SEEDS, logged, strict=True)}
            rows.append({"network": name, "step": logged[0][0], **seeds})
    return rows


def each_seed(rows, name):
    """Return the logged steps of a network, and its accuracies as an array (steps, seeds)."""
    chosen = [row for row in rows if row["network"] == name]
    return [row["step"] for row in chosen], np.array([[row[f"seed {seed}"] for seed in SEEDS] for row in chosen])


def mean_log(rows, name):
    """Return pairs of step and mean accuracy."""
    steps, accuracy = each_seed(rows, name)
    return list(zip(steps, accuracy.mean(1).tolist(), strict=True))


def draw(rows):
    """Draw accuracy against steps, and below it the steps to the baseline's best accuracy."""
    figure = canvas.canvas("Batch normalisation allows larger learning rates, and sigmoids", height=7.6)
    grid = figure.add_gridspec(2, 2, height_ratios=(5, 2))
    target = best_accuracy(mean_log(rows, BASELINE))
    left = figure.add_subplot(grid[0, 0])
    right = figure.add_subplot(grid[0, 1], sharey=left)
    for axes, prefix in ((left, ""), (right, "BN-")):
        for name, colour in COLOURS.items():
            draw_network(axes, rows, prefix + name, colour, target)
        axes.axhline(target, color=canvas.GREY, linestyle=":", linewidth=1.5)
        axes.set(title=SIDES[prefix], xlabel="training steps", xlim=(0, 400), ylim=(0, 100))
        axes.grid(axis="y", color=canvas.PALE)
        axes.set_axisbelow(True)
    left.set_ylabel("test accuracy (%)")
    right.tick_params(labelleft=False)
    right.legend(loc="lower right")
    draw_table(figure.add_subplot(grid[1, :]), rows, target)
    return figure


def draw_network(axes, rows, name, colour, target):
    """Draw a network's line and band, and a dot at its first step with the target accuracy."""
    steps, accuracy = each_seed(rows, name)
    axes.plot(steps, accuracy.mean(1), color=colour, label=label(name))
    axes.fill_between(steps, accuracy.min(1), accuracy.max(1), color=colour, alpha=0.12, linewidth=0)
    step = first_step(mean_log(rows, name), target)
    if step < math.inf:
        axes.plot([step], [dict(mean_log(rows, name))[step]], "o", color=colour, markersize=8, markeredgecolor="white")


def label(name):
    """Return the label of a network: its learning rate, its factor, and sigmoid."""
    network = NETWORKS[name]
    times = f" (× {network.times})" if network.times > 1 else ""
    return f"learning rate {network.lr:g}{times}{', sigmoid' if name.endswith('Sigmoid') else ''}"


def draw_table(axes, rows, target):
    """Write the steps to the target accuracy and the best accuracy of each network."""
    axes.set(xlim=(0, 1), ylim=(-4.4, 0.6))
    axes.axis("off")
    for start, prefix in ((0.0, ""), (0.53, "BN-")):
        columns = [start, start + 0.33, start + 0.45]
        cells = [["", f"steps to {target:.1f} %", "best"]]
        for name in COLOURS:
            log = mean_log(rows, prefix + name)
            step = first_step(log, target)
            cells.append([prefix + name, "–" if step == math.inf else f"{step}", f"{best_accuracy(log):.1f} %"])
        for line, texts in enumerate(cells):
            colour = [canvas.GREY, *COLOURS.values()][line]
            for x, text, align in zip(columns, texts, ("left", "right", "right"), strict=True):
                axes.text(x, -line, text, color=colour, ha=align, va="center")


if __name__ == "__main__":
    canvas.main(draw, measure)
