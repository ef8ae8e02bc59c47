"""F12: with batch normalisation LeNet-5 learns even at thirty times the learning rate, at which it learns nothing without.

    python figures/f12_batch_norm.py --measure --show

Two LeNet-5, one of them with batch normalisation behind each layer but the last, learn 6,400 drawn digits for two epochs in
batches of 32, at three constant learning rates with momentum 0.9. Lines are means of five runs (seeds 0 to 4), bands reach
from the worst to the best. Compare one colour on the left and on the right. Source: F12, A13.
"""

import canvas
import numpy as np

from experiments.batch_norm import lenet
from refconv import data, optim
from refconv.training import Callback, Diverged, evaluate, fit

LR, TIMES, SEEDS, BATCH, IMAGES, EPOCHS = 0.01, (1, 5, 30), range(5), 32, 6400, 2
LOOKS = [1, *range(10, 100, 10), *range(100, 401, 20)]  # steps after which the test digits are read
COLOURS = dict(zip(TIMES, (canvas.BLUE, canvas.GREEN, canvas.ORANGE), strict=True))


def measure():
    """A row for each network, learning rate and step: the accuracies of the five runs."""
    training = data.draw_digits(IMAGES, 0)
    test = data.Batches(*data.draw_digits(1000, 1), 500, shuffle=False, prepare=data.lenet_input)
    rows = []
    for normalised in (False, True):
        for times in TIMES:
            runs = [accuracies(normalised, times * LR, seed, training, test) for seed in SEEDS]
            for step, *each in zip(LOOKS, *runs, strict=True):
                seeds = {f"seed {seed}": accuracy for seed, accuracy in zip(SEEDS, each, strict=True)}
                rows.append({"batch norm": int(normalised), "times": times, "step": step, **seeds})
    return rows


def accuracies(normalised, lr, seed, training, test):
    """Test accuracies of one run in percent; of one that diverged, those of guessing from there on."""
    model, found = lenet(normalised), []
    model.build((32, 32, 1), rng=[seed, 0])
    batches = data.Batches(*training, BATCH, rng=[seed, 1], prepare=data.lenet_input)

    class Look(Callback):
        def on_step_end(self, run):
            if (run.epoch - 1) * run.steps + run.step in LOOKS:
                found.append(round(100 * evaluate(model, test).accuracy, 1))

    try:
        fit(model, batches, optim.SGD(model, lr, momentum=0.9), epochs=EPOCHS, callbacks=[Look()])
    except Diverged:
        found += [10.0] * (len(LOOKS) - len(found))
    return found


def draw(rows):
    """Accuracy against steps, without batch normalisation on the left and with it on the right."""
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
