"""Worked answers to the exercises of notebook 09, and mistakes that are easily made."""

import refconv


def answer_1(dy, y, back):
    dsum = refconv.relu_dx(dy, x=y)  # the ReLU stands behind the sum, so it cuts both ways
    return dsum + back(dsum)


def mistake_1(dy, y, back):
    return dy + back(refconv.relu_dx(dy, x=y))  # as if the shortcut went past the ReLU too


def answer_2(n, m):
    return 0.5**m, (n - m) / 2  # each block halves the paths; through or past is a coin tossed n − m times


def mistake_2(n, m):
    return (n - m) / n, (n - m) / 2  # as if a block took its own share with it


def answer_3(l, L, p_L):
    return 1 - l / L * (1 - p_L)


def mistake_3(l, L, p_L):
    return 1 - (l - 1) / (L - 1) * (1 - p_L)  # falls from 1 at the first block, which then is never left out


def answer_4(x, main, survival, rng):
    return x + main(x) if rng.random() < survival else x  # in training f counts whole, or not at all


def mistake_4(x, main, survival, rng):
    return x + survival * main(x)  # that is inference
