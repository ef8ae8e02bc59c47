"""LeNet-5 on MNIST: the deck's 0.8 % test error, and less with images that are bent a little."""

from refconv import data, models, optim
from refconv.recipes.recipe import Recipe, fewer
from refconv.training import fit

__all__ = ["RECIPE", "trained_lenet"]


def trained_lenet(seed, quick, *, epochs, augment=None, ahead=False, images=None):
    """LeNet-5 after so many epochs of MNIST, or of its first images, with momentum 0.9 and a learning rate that falls to
    nothing: its history."""
    model = models.lenet()
    model.build(models.input_shape("lenet"), rng=[seed, 0])
    training, test = (fewer(quick, data.load_mnist(split), count) for split, count in (("train", 2000), ("test", 500)))
    batches = data.Batches(*(part[:images] for part in training), 64, augment=augment, rng=[seed, 1])
    if ahead:
        batches = data.Prefetch(batches)
    optimizer = optim.SGD(model.named_parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    return fit(model, batches, optimizer, epochs=epochs, test=data.Batches(*test, 500), schedule=optim.cosine)


def error_after(epochs, augment=None):
    """A variant: the test error after so many epochs."""

    def variant(seed, quick):
        history = trained_lenet(seed, quick, epochs=min(epochs, 2) if quick else epochs, augment=augment)
        return {"test error, %": 100 * (1 - history.test.accuracy)}

    return variant


RECIPE = Recipe(
    "lenet",
    "LeNet-5 misreads 0.8 % of MNIST's test digits.",
    "M2, A21",
    {
        "1 epoch": error_after(1),
        "12 epochs": error_after(12),
        "20 epochs, digits turned and bent": error_after(20, data.augment.distort()),
    },
)
