"""05 · LeNet on MNIST: files, parameters, a training step, confusion and centring."""

import numpy as np
from checking import checked, checked_function

from refconv import data, nn, optim
from refconv.training import train_step


@checked_function("of bytes that returns an array")
def check_1(read):
    """Check a function that reads an IDX file of bytes."""
    rng = np.random.default_rng(1)
    for shape in ((5,), (2, 3, 4), (1, 300, 2)):
        array = rng.integers(0, 256, shape).astype(np.uint8)
        header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
        result = np.asarray(read(header + array.tobytes()))
        assert result.shape == shape, f"the array must have the header's shape {shape}, got {result.shape}"
        assert np.array_equal(result, array), "the shape is right, but the numbers are not"


@checked("a number")
def check_2(parameters):
    """Check the number of parameters of LeNet-5 for 28 × 28 pixels."""
    assert parameters != 61_706, "that is the number for 32 × 32 pixels; dense1 gets fewer inputs now"
    assert parameters == 44_426, f"not {parameters!r}: follow the sizes, 28 → 24 → 12 → 8 → 4, and count the inputs of dense1"


@checked("a function of model, optimizer, x and labels that returns the loss")
def check_3(step):
    """Check a function that takes a training step."""
    images, labels = data.draw_digits(12, seed=3)
    x = data.lenet_input(images, np.float64)
    (student, student_optimizer), (reference, reference_optimizer) = (_beginner() for _ in range(2))
    for k in range(3):
        part = slice(4 * k, 4 * k + 4)
        loss = step(student, student_optimizer, x[part], labels[part])
        expected, _ = train_step(reference, reference_optimizer, x[part], labels[part])
        assert loss is not None, "the loss must be returned"
        assert not isinstance(loss, tuple), "only the loss must be returned"
        assert np.isclose(loss, expected), f"step {k + 1}: the loss must be {expected:.6f}, got {loss}"
        for name, parameter in reference.named_parameters().items():
            same = np.allclose(student.named_parameters()[name].value, parameter.value)
            assert same, f"after step {k + 1} your {name} differs; are the gradients of earlier steps set to zero?"


def _beginner():
    """Return a small network and its optimiser, the same each time."""
    model = nn.Sequential(conv=nn.Conv2D(2, 5, stride=4), relu=nn.ReLU(), flatten=nn.Flatten(), scores=nn.Dense(10))
    model.build((32, 32, 1), rng=5, dtype=np.float64)
    return model, optim.SGD(model, lr=0.05, momentum=0.9)


@checked_function("of a matrix that returns two class numbers")
def check_4(most_confused):
    """Check a function that finds the two classes that are confused most."""
    first = np.array([[90, 0, 4], [1, 80, 3], [2, 6, 70]])  # 0 and 1: 1, 0 and 2: 6, 1 and 2: 9
    second = np.array([[9, 5, 4, 0], [0, 9, 0, 0], [3, 0, 9, 0], [0, 1, 0, 9]])  # 5 is the largest, but 0 and 2 have 4 + 3
    for confusion, pair in ((first, (1, 2)), (second, (0, 2))):
        result = tuple(int(k) for k in most_confused(confusion.copy()))
        assert result == pair, f"for\n{confusion}\nthe pair must be {pair}, got {result}"


@checked_function("of an image that returns an image")
def check_5(centred):
    """Check a function that moves a digit's centre of mass to the middle."""
    images, _ = data.draw_digits(20, seed=8)
    for number, image in enumerate(images):
        down, right = (number % 5) - 2, (number % 7) - 3
        moved = np.roll(image, (down, right), (0, 1))
        result = np.asarray(centred(moved.copy()))
        assert result.shape == (28, 28), f"the image must stay 28 × 28, got shape {result.shape}"
        assert np.array_equal(np.sort(result.ravel()), np.sort(moved.ravel())), "pixels were lost or changed"
        offset = np.array(centre_of_mass(result)) - 13.5
        assert np.abs(offset).max() <= 0.5, (
            f"a digit is {offset[0]:+.1f} pixels below and {offset[1]:+.1f} pixels right of the middle"
        )


def centre_of_mass(image):
    """Return the row and column of an image's centre of mass."""
    share = image / image.sum()
    return (share.sum(1) * np.arange(image.shape[0])).sum(), (share.sum(0) * np.arange(image.shape[1])).sum()
