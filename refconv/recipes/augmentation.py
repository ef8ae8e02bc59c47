"""What augmentation costs: images a second while LeNet-5 trains, the lightest of steps."""

from refconv import data
from refconv.recipes import lenet
from refconv.recipes.recipe import Recipe

__all__ = ["RECIPE"]


def speed(augment=None, ahead=False):
    """A variant: images a second, the best of ten short epochs: other programs make some of them slower."""

    def variant(seed, quick):
        history = lenet.trained_lenet(seed, quick, epochs=10, augment=augment, ahead=ahead, images=6000)
        return {"images a second": max(line.images_per_second for line in history.epochs)}

    return variant


RECIPE = Recipe(
    "augmentation",
    "Images changed at random cost little time.",
    "A21",
    {
        "none": speed(),
        "moved by up to 2 pixels": speed(data.augment.shift(2)),
        "turned and bent": speed(data.augment.distort()),
        "turned and bent, by a thread ahead": speed(data.augment.distort(), ahead=True),
    },
)
