"""Checks of notebook 05 · LeNet on MNIST: files, parameters, a training step, confusion and centring."""

import numpy as np
from checking import checked, checked_function

from refconv import data, nn, optim
from refconv.training import train_step


@checked_function("of bytes that returns an array")
def check_1(read):
    """What is in an IDX file of bytes?"""
    rng = np.random.default_rng(1)
    for shape in ((5,), (2, 3, 4), (1, 300, 2)):
        array = rng.integers(0, 256, shape).astype(np.uint8)
        header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
        got = np.asarray(read(header + array.tobytes()))
        assert got.shape == shape, f"the header says {shape}, and your array has the shape {got.shape}"
        assert np.array_equal(got, array), "the shape is right, but the numbers are not"


@checked("a number")
def check_2(parameters):
    """How many parameters has LeNet-5 for 28 × 28 pixels?"""
    assert parameters != 61_706, "that is the number for 32 × 32 pixels; dense1 gets fewer inputs now"
    assert parameters == 44_426, f"not {parameters!r}: follow the sizes, 28 → 24 → 12 → 8 → 4, and count the inputs of dense1"


@checked("a function of model, optimizer, x and labels that returns the loss")
def check_3(step):
    """What is a training step?"""
    images, labels = data.draw_digits(12, seed=3)
    x = data.lenet_input(images, np.float64)
    (mine, my_optimizer), (ours, our_optimizer) = (_beginner() for _ in range(2))
    for k in range(3):
        part = slice(4 * k, 4 * k + 4)
        loss = step(mine, my_optimizer, x[part], labels[part])
        expected, _ = train_step(ours, our_optimizer, x[part], labels[part])
        assert loss is not None, "the loss must be returned"
        assert not isinstance(loss, tuple), "the loss alone must be returned"
        assert np.isclose(loss, expected), f"step {k + 1}: the loss is {expected:.6f}, and yours is {loss}"
        for name, parameter in ours.named_parameters().items():
            same = np.allclose(mine.named_parameters()[name].value, parameter.value)
            assert same, f"after step {k + 1} your {name} differs; are the gradients those of this step alone?"


def _beginner():
    """A small network and its optimiser, the same each time."""
    model = nn.Sequential(conv=nn.Conv2D(2, 5, stride=4), relu=nn.ReLU(), flatten=nn.Flatten(), scores=nn.Dense(10))
    model.build((32, 32, 1), rng=5, dtype=np.float64)
    return model, optim.SGD(model, lr=0.05, momentum=0.9)


@checked_function("of a matrix that returns two class numbers")
def check_4(most_confused):
    """Which two classes are confused most?"""
    first = np.array([[90, 0, 4], [1, 80, 3], [2, 6, 70]])  # 0 and 1: 1, 0 and 2: 6, 1 and 2: 9
    second = np.array([[9, 5, 4, 0], [0, 9, 0, 0], [3, 0, 9, 0], [0, 1, 0, 9]])  # 5 is the largest, but 0 and 2 have 4 + 3
    for confusion, pair in ((first, (1, 2)), (second, (0, 2))):
        got = tuple(int(k) for k in most_confused(confusion.copy()))
        assert got == pair, f"in\n{confusion}\nit is {pair}, and yours is {got}"


@checked_function("of an image that returns an image")
def check_5(centred):
    """Where is a digit's centre of mass, and how does it come into the middle?"""
    images, _ = data.draw_digits(20, seed=8)
    for number, image in enumerate(images):
        down, right = (number % 5) - 2, (number % 7) - 3
        given = np.roll(image, (down, right), (0, 1))
        got = np.asarray(centred(given.copy()))
        assert got.shape == (28, 28), f"the image must stay 28 × 28, but is {got.shape}"
        assert np.array_equal(np.sort(got.ravel()), np.sort(given.ravel())), "pixels were lost or changed"
        off = np.array(centre_of_mass(got)) - 13.5
        assert np.abs(off).max() <= 0.5, f"one stands {off[0]:+.1f} pixels below and {off[1]:+.1f} right of the middle"


def centre_of_mass(image):
    """Row and column."""
    share = image / image.sum()
    return (share.sum(1) * np.arange(image.shape[0])).sum(), (share.sum(0) * np.arange(image.shape[1])).sum()
