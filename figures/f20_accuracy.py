"""F20: each thing that a network is told about images cuts the error on MNIST's test digits.

    python figures/f20_accuracy.py --measure --show

Eight epochs of all 60,000 training digits, seeds 0, 1 and 2, a dot each. Diamonds are what LeCun, Bottou, Bengio and Haffner
printed in 1998 for the same test digits; their networks squashed by tanh, and their linear classifier minimised squares. Weights
that neighbours share are worth more than any number of hidden units, and digits that are turned and bent more than a better
network. Source: F20, M2, A21; Figure 9 of the paper.
"""

import canvas
import numpy as np

EPOCHS, SEEDS = 8, (0, 1, 2)
PRINTED = {  # Figure 9: test error in percent
    "linear": 12.0,
    "hidden": 4.7,
    "lenet": 0.95,
    "distorted": 0.8,
}
SAID = {
    "linear": "ten sums of all pixels",
    "hidden": "300 hidden units",
    "lenet": "LeNet-5: shared windows",
    "distorted": "… and digits turned and bent",
    "ensemble": "… and three networks that vote",
}


def measure():
    """Train each network with each seed, and the last ones once more together."""
    from refconv import data, training

    train, test = data.load_mnist("train"), data.Batches(*data.load_mnist("test"), 500)
    rows, models = [], {}
    for name in PRINTED:
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
    batches = data.Batches(*digits, 64, augment=augment, rng=[seed, 1])
    optimizer = optim.SGD(model.named_parameters(), 0.005 if name == "linear" else 0.05, momentum=0.9, weight_decay=5e-4)
    training.fit(model, batches, optimizer, epochs=EPOCHS, schedule=optim.cosine)
    return model


def draw(rows):
    return canvas.canvas("")


if __name__ == "__main__":
    canvas.main(draw, measure)
