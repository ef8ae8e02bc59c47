"""Worked answers to the exercises of notebook 05, and mistakes that are easily made."""

import numpy as np
from exercises.lenet import centre_of_mass

from refconv import softmax_cross_entropy


def answer_1(content):
    dimensions = content[3]
    sizes = [int.from_bytes(content[4 * k : 4 * k + 4], "big") for k in range(1, dimensions + 1)]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(sizes)


def mistake_1(content):
    """Read the array as if the first dimension changed fastest; in IDX the last one does."""
    return answer_1(content).ravel().reshape(answer_1(content).shape, order="F")


# 28 → 24 → 12 → 8 → 4, so dense1 has 4·4·16 = 256 inputs instead of 5·5·16 = 400; no other layer changes.
answer_2 = 61_706 - (400 - 256) * 120
# The convolutions do less work, but their kernels are the same. Each of the 144 missing inputs had 120 weights, not one.
mistake_2 = 61_706 - (400 - 256)


def answer_3(model, optimizer, x, labels):
    scores, backward = model.forward(x, train=True)
    loss, dscores = softmax_cross_entropy(scores, labels)
    model.zero_grad()
    backward(dscores, want_dx=False)
    optimizer.step()
    return loss


def mistake_3(model, optimizer, x, labels):
    """Add up the gradients of all steps, so that only the first step is right."""
    scores, backward = model.forward(x, train=True)
    loss, dscores = softmax_cross_entropy(scores, labels)
    backward(dscores, want_dx=False)
    optimizer.step()
    return loss


def answer_4(confusion):
    both = np.triu(confusion + confusion.T, k=1)  # above the diagonal: each pair once, without the right answers
    return np.unravel_index(both.argmax(), both.shape)


def mistake_4(confusion):
    """Return the largest single count, which is one direction only."""
    wrong = confusion - np.diag(np.diag(confusion))
    return sorted(np.unravel_index(wrong.argmax(), wrong.shape))


def answer_5(image):
    row, column = centre_of_mass(image.astype(float))
    # np.roll loses no ink, as long as the digit does not cross the edge: only background wraps around.
    return np.roll(image, (round(13.5 - row), round(13.5 - column)), (0, 1))


def mistake_5(image):
    """Centre the box around the ink, whose middle is not the centre of mass: think of a 7."""
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    middle = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    return np.roll(image, (round(13.5 - middle[0]), round(13.5 - middle[1])), (0, 1))
