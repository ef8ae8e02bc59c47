"""F20: each piece of prior knowledge about images reduces the test error on MNIST.

    python figures/f20_accuracy.py --measure --show

Each network is trained for eight epochs on all 60,000 training digits. There is one dot for each of the seeds 0, 1 and 2; the
ensemble combines the last three networks. Diamonds are the errors that LeCun, Bottou, Bengio and Haffner printed in 1998 for
the same 10,000 test digits. Their linear classifier minimised squared errors, their networks used tanh, and their ensemble
consisted of three LeNet-4 networks. LeNet-5 with its shared weights has a lower error than a network of 300 hidden units, with
a fifth of the weights; distorted training digits then help without any further weight.
Source: lecture rows F20, M2 and A21 (SOURCES.md); Figure 9 of the paper.
"""

import canvas

from refconv.models.published.accuracy import MNIST, printed

EPOCHS, SEEDS = 8, (0, 1, 2)
NETWORKS = ("linear", "hidden", "lenet", "distorted")
ROWS = {
    "linear": "linear classifier",
    "hidden": "300 hidden units",
    "lenet": "LeNet-5",
    "distorted": "LeNet-5, distorted digits",
    "ensemble": "three LeNet-4, boosted",
}
PRINTED = {name: printed("LeNet-5 paper, Figure 9", row, MNIST) for name, row in ROWS.items()}  # test errors in percent
LABELS = {
    "linear": "linear classifier",
    "hidden": "300 hidden units",
    "lenet": "LeNet-5: shared weights",
    "distorted": "LeNet-5, distorted digits",
    "ensemble": "ensemble of three",
}


BESIDE = {"textcoords": "offset points", "va": "center", "fontsize": 13}


def measure():
    """Train each network with each seed, then test the last three as an ensemble."""
    from refconv import data, training

    train = data.load_mnist("train")
    test = data.Batches(*data.load_mnist("test"), 500, shuffle=False, prepare=data.lenet_input)
    rows, models = [], {}
    for name in NETWORKS:
        for seed in SEEDS:
            model = models[name, seed] = _trained(name, train, seed)
            error = 100 * (1 - training.evaluate(model, test).accuracy)
            count = model.count_parameters((32, 32, 1))
            rows.append({"network": name, "parameters": count, "seed": seed, "error": round(error, 2)})
    voting = training.Ensemble(*(models["distorted", seed] for seed in SEEDS))
    error = 100 * (1 - training.evaluate(voting, test).accuracy)
    return [*rows, {"network": "ensemble", "parameters": len(SEEDS) * count, "seed": "all", "error": round(error, 2)}]


def _trained(name, digits, seed):
    from refconv import data, models, nn, optim, training

    layers = {
        "linear": lambda: nn.Sequential(nn.Flatten(), nn.Dense(10)),
        "hidden": lambda: nn.Sequential(nn.Flatten(), nn.Dense(300), nn.ReLU(), nn.Dense(10)),
    }
    model = layers.get(name, models.lenet)()
    model.build((32, 32, 1), rng=[seed, 0])
    augment = data.augment.distort() if name == "distorted" else None
    batches = data.Batches(*digits, 64, rng=[seed, 1], prepare=data.lenet_input, augment=augment)
    optimizer = optim.SGD(model, 0.005 if name == "linear" else 0.05, momentum=0.9, weight_decay=5e-4)
    training.fit(model, batches, optimizer, epochs=EPOCHS, schedule=optim.cosine)
    return model


def draw(rows):
    """Draw a row for each network, a dot for each seed and a diamond for the printed error."""
    figure = canvas.canvas("Digits: prior knowledge about images reduces the error")
    axes = figure.add_subplot()
    labels = []
    for k, (name, label) in enumerate(LABELS.items()):
        chosen = [row for row in rows if row["network"] == name]
        errors = [row["error"] for row in chosen]
        labels.append(f"{label}\n{chosen[0]['parameters']:,} weights")
        (here,) = axes.plot(errors, [k] * len(errors), "o", color=canvas.BLUE, markersize=12, alpha=0.7, mew=0)
        (diamond,) = axes.plot(PRINTED[name], k, "D", color=canvas.ORANGE, markersize=9, fillstyle="none", mew=2)
        middle = f"{sum(errors) / len(errors):.2f}".rstrip("0").rstrip(".")
        axes.annotate(f"{middle} %", (min(errors), k), (-12, 0), **BESIDE, ha="right", color=canvas.BLUE)
        axes.annotate(f"{PRINTED[name]:g} %", (PRINTED[name], k), (12, 0), **BESIDE, ha="left", color=canvas.ORANGE)
    axes.legend([here, diamond], ["here: one dot per seed, and the mean", "printed in 1998"], loc="center right", fontsize=13)
    axes.set(xscale="log", xlim=(0.22, 24), ylim=(4.6, -0.5), xlabel="error on 10,000 test digits, in % (logarithmic)")
    axes.set_xticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axes.set_xticks([], minor=True)
    axes.grid(axis="x", color=canvas.PALE)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(LABELS)), labels, color=canvas.INK)
    axes.tick_params(axis="y", length=0)
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
