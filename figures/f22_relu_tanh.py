"""F22: in a small network, tanh takes no more epochs than ReLU, unlike in the paper.

    python figures/f22_relu_tanh.py --measure --show

As in Figure 1 of the AlexNet paper, networks of four layers that differ only in their nonlinearity are trained until their
error on the training images is 25 %, without regularisation. Here they have 8, 16 and 32 filters of 3×3 pixels and learn 2,500
images of CIFAR-10 in batches of 32, with momentum 0.9; each line is a run at the fastest of the learning rates 0.005, 0.01,
0.02 and 0.04 for its seed, 0 to 2. In the paper, tanh takes six times the epochs of ReLU; the paper adds that the factor
depends on the architecture. The networks here are smaller, and tanh saturates less if inputs are standardised and initial
weights are scaled to the fan-in, as they are here. The paper prints neither the initial weights nor the learning rates of its
two networks.
Source: lecture row D3 (SOURCES.md).
"""

import canvas
import numpy as np

from experiments.accuracy_log import first_step
from experiments.relu_tanh import ERROR, NONLINEARITIES, fastest

SEEDS = range(3)
STYLES = {"ReLU": ("-", canvas.BLUE), "tanh": ("--", canvas.ORANGE)}


def measure():
    """Return a row for each nonlinearity, seed and epoch at the fastest learning rate."""
    rows = []
    for name, activation in NONLINEARITIES.items():
        for seed in SEEDS:
            lr, _, log = fastest(activation, seed)
            run = {"nonlinearity": name, "seed": seed, "learning rate": lr}
            rows += [{**run, "epoch": epoch, "error": round(100 - accuracy, 2)} for epoch, accuracy in log]
    return rows


def runs(rows, name):
    """Return the log of each seed: pairs of epoch and training accuracy in percent."""
    chosen = [row for row in rows if row["nonlinearity"] == name]
    return [[(row["epoch"], 100 - row["error"]) for row in chosen if row["seed"] == seed] for seed in SEEDS]


def mean_epochs(rows, name):
    """Return the mean number of epochs to the training error ``ERROR``."""
    return float(np.mean([first_step(log, 100 - ERROR) for log in runs(rows, name)]))


def draw(rows):
    """Draw training error against epochs, solid lines with ReLU and dashed lines with tanh."""
    epochs = {name: mean_epochs(rows, name) for name in NONLINEARITIES}
    ratio = epochs["tanh"] / epochs["ReLU"]
    figure = canvas.canvas(f"To a training error of {ERROR:g} %, tanh takes {ratio:.2f} × the epochs of ReLU")
    axes = figure.add_subplot()
    for name, (style, colour) in STYLES.items():
        rates = sorted({row["learning rate"] for row in rows if row["nonlinearity"] == name})
        text = f"{name}: {epochs[name]:.1f} epochs, learning rate {' or '.join(f'{rate:g}' for rate in rates)}"
        for seed, log in enumerate(runs(rows, name)):
            error = [100 - accuracy for _, accuracy in log]
            axes.plot([epoch for epoch, _ in log], error, style, color=colour, label=text if seed == 0 else None)
            axes.plot(log[-1][0], error[-1], "o", color=colour, markersize=8, markeredgecolor="white")
    axes.axhline(ERROR, color=canvas.GREY, linestyle=":", linewidth=1.5)
    axes.set(xlabel="epoch", ylabel="training error (%)", xlim=(0.5, None), ylim=(0, 80))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=canvas.PALE)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right")
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
