"""Worked answers to the exercises of notebook 05, and mistakes that are easily made."""

import numpy as np
from exercises.lenet import centre_of_mass

from refconv import softmax_cross_entropy


def answer_1(content):
    dimensions = content[3]
    sizes = [int.from_bytes(content[4 * k : 4 * k + 4], "big") for k in range(1, dimensions + 1)]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(sizes)


def mistake_1(content):
    """As if the first dimension ran fastest; in IDX the last one does."""
    return answer_1(content).ravel().reshape(answer_1(content).shape, order="F")


# 28 → 24 → 12 → 8 → 4, so dense1 has 4·4·16 = 256 inputs in place of 5·5·16 = 400; no other layer notices.
answer_2 = 61_706 - (400 - 256) * 120
# The convolutions do less work, but they have the same kernels; 144 inputs fewer are not 144 parameters fewer.
mistake_2 = 61_706 - (400 - 256)


def answer_3(model, optimizer, x, labels):
    scores, backward = model.forward(x, train=True)
    loss, dscores = softmax_cross_entropy(scores, labels)
    model.zero_grad()
    backward(dscores, want_dx=False)
    optimizer.step()
    return loss


def mistake_3(model, optimizer, x, labels):
    """The gradients of all steps add up: the first is right, and no other."""
    scores, backward = model.forward(x, train=True)
    loss, dscores = softmax_cross_entropy(scores, labels)
    backward(dscores, want_dx=False)
    optimizer.step()
    return loss


def answer_4(confusion):
    both = np.triu(confusion + confusion.T, k=1)  # above the diagonal: each pair once, and no right answer
    return np.unravel_index(both.argmax(), both.shape)


def mistake_4(confusion):
    """The largest single count: one direction only."""
    wrong = confusion - np.diag(np.diag(confusion))
    return sorted(np.unravel_index(wrong.argmax(), wrong.shape))


def answer_5(image):
    row, column = centre_of_mass(image.astype(float))
    # Paper comes in where paper goes out, so a roll loses nothing as long as the digit does not reach the edge.
    return np.roll(image, (round(13.5 - row), round(13.5 - column)), (0, 1))


def mistake_5(image):
    """The middle of the box around the ink is not the centre of mass: think of a 7."""
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    middle = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    return np.roll(image, (round(13.5 - middle[0]), round(13.5 - middle[1])), (0, 1))
