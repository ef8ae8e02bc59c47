"""F22: ReLU needs fewer epochs than tanh with AlexNet's inputs and weights, not modern ones.

    python figures/f22_relu_tanh.py --measure --show

As in Figure 1 of the AlexNet paper, networks of four layers that differ only in their nonlinearity are trained until their
error on the training images is 25 %, without regularisation. Here they have 8, 16 and 32 filters of 3×3 pixels and learn 2,500
images of CIFAR-10 in batches of 32, with momentum 0.9. Each line is a run at the fastest learning rate for its seed, 0 to 2.
Left: inputs are standardised, and initial weights are scaled to the fan-in; the rates are 0.005, 0.01, 0.02 and 0.04. Right:
inputs are pixels minus the mean of their channel, and AlexNet's initial weights and biases are used; the rates are 0.001,
0.002 and 0.004 for ReLU, and 0.005, 0.01 and 0.02 for tanh. These larger inputs saturate the first tanh more often. In the
paper, tanh takes six times the epochs of ReLU; the paper adds that the factor depends on the architecture. It prints neither
the initial weights nor the learning rates of these two networks.
Source: lecture row D3 (SOURCES.md).
"""

import canvas
import numpy as np

from experiments.accuracy_log import first_step
from experiments.relu_tanh import ALEXNET, ERROR, NONLINEARITIES, SCALED, SETTINGS, fastest

SEEDS = range(3)
STYLES = {"ReLU": ("-", canvas.BLUE), "tanh": ("--", canvas.ORANGE)}
TITLES = {
    SCALED.name: "Standardised inputs, scaled weights",
    ALEXNET.name: "AlexNet's inputs and weights, σ = 0.01",
}


def measure():
    """Return a row for each setting, nonlinearity, seed and epoch at the fastest learning rate."""
    rows = []
    for setting, name, seed in ((s, n, seed) for s in SETTINGS for n in NONLINEARITIES for seed in SEEDS):
        lr, _, log = fastest(name, seed, setting=setting)
        run = {"setting": setting.name, "nonlinearity": name, "seed": seed, "learning rate": lr}
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
    """Draw training error against epochs, solid with ReLU and dashed with tanh."""
    figure = canvas.canvas("ReLU learns faster than tanh with AlexNet's inputs and weights, not with modern ones", width=12)
    shared = None
    for column, setting in enumerate(SETTINGS):
        shared = axes = figure.add_subplot(1, 2, column + 1, sharex=shared, sharey=shared)
        draw_setting(axes, TITLES[setting.name], [row for row in rows if row["setting"] == setting.name])
        axes.tick_params(labelleft=True)
    figure.axes[0].set_ylabel("training error (%)")
    axes.set(xlim=(0.5, None), ylim=(0, 100))
    axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def draw_setting(axes, title, rows):
    """Draw the runs of one setting, with the ratio of the mean epochs below the title."""
    epochs = {name: mean_epochs(rows, name) for name in NONLINEARITIES}
    for name, (style, colour) in STYLES.items():
        rates = sorted({row["learning rate"] for row in rows if row["nonlinearity"] == name})
        text = f"{name}: {epochs[name]:.1f} epochs, learning rate {' or '.join(f'{rate:g}' for rate in rates)}"
        for seed, log in enumerate(runs(rows, name)):
            error = [100 - accuracy for _, accuracy in log]
            axes.plot([epoch for epoch, _ in log], error, style, color=colour, label=text if seed == 0 else None)
            axes.plot(log[-1][0], error[-1], "o", color=colour, markersize=8, markeredgecolor="white")
    axes.axhline(ERROR, color=canvas.GREY, linestyle=":", linewidth=1.5)
    axes.set_title(f"{title}:\ntanh takes {epochs['tanh'] / epochs['ReLU']:.2f} × the epochs of ReLU")
    axes.set_xlabel("epoch")
    axes.grid(axis="y", color=canvas.PALE)
    axes.set_axisbelow(True)
    axes.legend(loc="upper right")


if __name__ == "__main__":
    canvas.main(draw, measure)
