"""F12: batch normalisation lets LeNet-5 learn at thirty times the learning rate.

    python figures/f12_batch_norm.py --measure --show

Without it, LeNet-5 learns nothing at that rate. Two LeNet-5 networks, one of them with batch normalisation after each layer
except the last, learn 6,400 drawn digits for two epochs in batches of 32, at three constant learning rates with momentum 0.9.
Lines are means of five runs (seeds 0 to 4); bands extend from the worst to the best run. Compare lines of the same colour on
the left and on the right. Source: lecture rows F12 and A13 (SOURCES.md).
"""

import canvas
import numpy as np

from experiments.batch_norm import lenet
from refconv import data, optim
from refconv.training import Callback, Diverged, evaluate, fit

LR, TIMES, SEEDS, BATCH, IMAGES, EPOCHS = 0.01, (1, 5, 30), range(5), 32, 6400, 2
LOGGED_STEPS = [1, *range(10, 100, 10), *range(100, 401, 20)]  # steps after which the test accuracy is computed
COLOURS = dict(zip(TIMES, (canvas.BLUE, canvas.GREEN, canvas.ORANGE), strict=True))


def measure():
    """Return a row for each network, learning rate and step, with five accuracies."""
    training = data.draw_digits(IMAGES, 0)
    test = data.Batches(*data.draw_digits(1000, 1), 500, shuffle=False, prepare=data.lenet_input)
    rows = []
    for normalised in (False, True):
        for times in TIMES:
            runs = [accuracies(normalised, times * LR, seed, training, test) for seed in SEEDS]
            for step, *each in zip(LOGGED_STEPS, *runs, strict=True):
                seeds = {f"seed {seed}": accuracy for seed, accuracy in zip(SEEDS, each, strict=True)}
                rows.append({"batch norm": int(normalised), "times": times, "step": step, **seeds})
    return rows


def accuracies(normalised, lr, seed, training, test):
    """Return the test accuracies of one run in percent; after divergence, 10 (guessing)."""
    model, accuracy_log = lenet(normalised), []
    model.build((32, 32, 1), rng=[seed, 0])
    batches = data.Batches(*training, BATCH, rng=[seed, 1], prepare=data.lenet_input)

    class Evaluation(Callback):
        def on_step_end(self, run):
            if (run.epoch - 1) * run.steps + run.step in LOGGED_STEPS:
                accuracy_log.append(round(100 * evaluate(model, test).accuracy, 1))

    try:
        fit(model, batches, optim.SGD(model, lr, momentum=0.9), epochs=EPOCHS, callbacks=[Evaluation()])
    except Diverged:
        accuracy_log += [10.0] * (len(LOGGED_STEPS) - len(accuracy_log))
    return accuracy_log


def draw(rows):
    """Draw accuracy against steps, without and with batch normalisation."""
    figure = canvas.canvas("Batch normalisation allows thirty times the learning rate")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, normalised, title in ((left, 0, "without"), (right, 1, "with batch normalisation")):
        for times in TIMES:
            chosen = [row for row in rows if (row["batch norm"], row["times"]) == (normalised, times)]
            steps = [row["step"] for row in chosen]
            each = np.array([[row[f"seed {seed}"] for seed in SEEDS] for row in chosen])
            label = f"learning rate {times * LR:g}" + (f" (× {times})" if times > 1 else "")
            axes.plot(steps, each.mean(1), color=COLOURS[times], label=label)
            axes.fill_between(steps, each.min(1), each.max(1), color=COLOURS[times], alpha=0.15, linewidth=0)
        axes.set(title=title, xlabel="training steps", xlim=(0, 400), ylim=(0, 100))
        axes.grid(axis="y", color=canvas.PALE)
        axes.set_axisbelow(True)
    left.set_ylabel("test accuracy (%)")
    right.legend(loc="lower right")
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
