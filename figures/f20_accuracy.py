"""F20: each thing that a network is told about images cuts its errors on MNIST's test digits.

    python figures/f20_accuracy.py --measure --show

Eight epochs of all 60,000 training digits, seeds 0, 1 and 2, a dot each; then the three last networks together.
Diamonds are what LeCun, Bottou, Bengio and Haffner printed in 1998 for the same 10,000 test digits; their linear
classifier minimised squares, their networks squashed by tanh, and their voting ones were three LeNet-4. LeNet-5’s
shared windows beat 300 hidden units with a fifth of their weights; digits turned and bent then help without any
weight more. Source: F20, M2, A21; Figure 9 of the paper.
"""

import canvas

EPOCHS, SEEDS = 8, (0, 1, 2)
NETWORKS = ("linear", "hidden", "lenet", "distorted")
PRINTED = {  # Figure 9: test error in percent
    "linear": 12.0,
    "hidden": 4.7,
    "lenet": 0.95,
    "distorted": 0.8,
    "ensemble": 0.7,  # three LeNet-4, boosted
}
SAID = {
    "linear": "ten sums of all pixels",
    "hidden": "300 hidden units",
    "lenet": "LeNet-5: shared windows",
    "distorted": "… and digits turned and bent",
    "ensemble": "… and three that vote",
}


BESIDE = {"textcoords": "offset points", "va": "center", "fontsize": 13}


def measure():
    """Train each network with each seed, and the last ones once more together."""
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
    """A row for each network, a dot for each seed, a diamond for what was printed."""
    figure = canvas.canvas("Digits: each thing a network is told about images cuts its errors")
    axes = figure.add_subplot()
    labels = []
    for k, (name, said) in enumerate(SAID.items()):
        found = [row for row in rows if row["network"] == name]
        errors = [row["error"] for row in found]
        labels.append(f"{said}\n{found[0]['parameters']:,} weights")
        (here,) = axes.plot(errors, [k] * len(errors), "o", color=canvas.BLUE, markersize=12, alpha=0.7, mew=0)
        (printed,) = axes.plot(PRINTED[name], k, "D", color=canvas.ORANGE, markersize=9, fillstyle="none", mew=2)
        middle = f"{sum(errors) / len(errors):.2f}".rstrip("0").rstrip(".")
        axes.annotate(f"{middle} %", (min(errors), k), (-12, 0), **BESIDE, ha="right", color=canvas.BLUE)
        axes.annotate(f"{PRINTED[name]:g} %", (PRINTED[name], k), (12, 0), **BESIDE, ha="left", color=canvas.ORANGE)
    axes.legend([here, printed], ["here: a dot a seed, and the mean", "printed in 1998"], loc="center right", fontsize=13)
    axes.set(xscale="log", xlim=(0.22, 24), ylim=(4.6, -0.5), xlabel="misread of 10,000 test digits, in % (logarithmic)")
    axes.set_xticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    axes.set_xticks([], minor=True)
    axes.grid(axis="x", color=canvas.PALE)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(SAID)), labels, color=canvas.INK)
    axes.tick_params(axis="y", length=0)
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
