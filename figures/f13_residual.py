"""F13: 56 plain layers train far worse than 20; with shortcuts, about equally well.

    python figures/f13_residual.py --measure --show

The paper's four networks for CIFAR, with a quarter of the channels, learn 4,000 drawn digits of 16 × 16 pixels for eight
epochs, with momentum 0.9 and a cosine learning rate schedule from 0.05; seed 0. The error is the share of training digits
misclassified during the epoch. Plain and residual networks of equal depth have the same layers and the same number of
parameters. Source: lecture rows F13, M9 and A23 (SOURCES.md).
"""

import canvas

from refconv import avg_pool2d, data, models, optim
from refconv.training import fit

IMAGES, EPOCHS, BATCH, LR, WIDTH, SHAPE, SEED = 4000, 8, 50, 0.05, 0.25, (16, 16, 1), 0
DEPTHS = {20: canvas.SKY, 56: canvas.BLUE}
KINDS = ("plain", "residual")


def small(images):
    """Return digits of 16 × 16 pixels, with values around zero."""
    return avg_pool2d(data.lenet_input(images), 2)


def trained(kind, depth, epochs=EPOCHS):
    """Train one of the networks; return it and its history."""
    model = models.cifar_resnet(depth, width=WIDTH, plain=kind == "plain")
    model.build(SHAPE, rng=[SEED, 0])
    batches = data.Batches(*data.draw_digits(IMAGES, SEED), BATCH, prepare=small, rng=[SEED, 1])
    optimizer = optim.SGD(model, LR, momentum=0.9, weight_decay=1e-4, decayed="weights")
    return model, fit(model, batches, optimizer, epochs=epochs, schedule=optim.cosine)


def measure():
    """Return a row for each network and epoch."""
    return [
        {"network": kind, "depth": depth, "epoch": epoch.epoch, "error": round(100 * (1 - epoch.metrics["train_accuracy"]), 2)}
        for kind in KINDS
        for depth in DEPTHS
        for epoch in trained(kind, depth)[1].epochs
    ]


def draw(rows):
    """Draw training error against epochs, plain on the left and residual on the right."""
    figure = canvas.canvas("Without shortcuts, 56 layers learn worse than 20")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, KINDS, strict=True):
        for depth, colour in DEPTHS.items():
            chosen = [row for row in rows if (row["network"], row["depth"]) == (kind, depth)]
            axes.plot([row["epoch"] for row in chosen], [row["error"] for row in chosen], "o-", color=colour)
            last = chosen[-1]
            side = {("residual", 20): "top", ("residual", 56): "bottom"}  # these two lines meet: keep the labels apart
            place = {"color": colour, "va": side.get((kind, depth), "center")}
            axes.text(last["epoch"] + 0.25, last["error"], f"{depth} layers", **place)
        axes.set_xticks(range(2, EPOCHS + 1, 2))
        axes.set(
            title="residual: with shortcuts" if kind == "residual" else "plain: no shortcuts",
            xlabel="epoch",
            xlim=(0.8, EPOCHS + 2),
            ylim=(0, 100),
        )
        axes.grid(axis="y", color=canvas.PALE)
        axes.set_axisbelow(True)
    panels[0].set_ylabel("training error (%)")
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
