"""A network that has seen drawn digits only serves real ones: a few of MNIST's are enough for a new head."""

from refconv import data, models, nn, optim
from refconv.recipes.recipe import Recipe, fewer
from refconv.training import evaluate, fit

__all__ = ["RECIPE"]

DRAWN, REAL = 30_000, 500
SHAPE = models.input_shape("lenet")


def learnt_from_drawn_digits(seed, quick):
    """LeNet-5 after three epochs of drawn digits."""
    return after(new(seed), data.draw_digits(1000 if quick else DRAWN, seed), 1 if quick else 3, 0.05, seed)


def new(seed):
    model = models.lenet()
    model.build(SHAPE, rng=[seed, 0])
    return model


def after(model, images_and_labels, epochs, lr, seed):
    batches = data.Batches(*images_and_labels, 50, rng=[seed, 1])
    optimizer = optim.SGD(model.named_parameters(), lr, momentum=0.9, weight_decay=5e-4)
    fit(model, batches, optimizer, epochs=epochs, schedule=optim.cosine)
    return model


def error(model, quick):
    test = fewer(quick, data.load_mnist("test"), 500)
    return {"test error on MNIST, %": 100 * (1 - evaluate(model, data.Batches(*test, 500)).accuracy)}


def real_digits():
    return tuple(part[:REAL] for part in data.load_mnist("train"))


def as_it_is(seed, quick):
    return error(learnt_from_drawn_digits(seed, quick), quick)


def new_head(seed, quick):
    """The layers up to the last hidden one are frozen; the scores are learnt anew."""
    learnt = learnt_from_drawn_digits(seed, quick)
    head = nn.Dense(10)
    head.build((84,), rng=[seed, 2])
    model = nn.Sequential.of({"features": nn.Frozen(learnt.cut("relu4")), "scores": head})
    return error(after(model, real_digits(), 2 if quick else 30, 0.01, seed), quick)


def fine_tuned(seed, quick):
    """All layers go on learning, at a fifth of the learning rate."""
    return error(after(learnt_from_drawn_digits(seed, quick), real_digits(), 2 if quick else 30, 0.01, seed), quick)


def from_scratch(seed, quick):
    return error(after(new(seed), real_digits(), 2 if quick else 30, 0.05, seed), quick)


RECIPE = Recipe(
    "transfer",
    "A trained network's features serve another task.",
    "B10",
    {
        f"{DRAWN:,} drawn digits, no real one": as_it_is,
        f"… and a new head from {REAL} real ones": new_head,
        f"… and all fine-tuned on {REAL} real ones": fine_tuned,
        f"{REAL} real ones alone": from_scratch,
    },
)
