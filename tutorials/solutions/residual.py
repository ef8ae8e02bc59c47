"""Worked answers to the exercises of notebook 09, and mistakes that are easily made."""

import refconv


def answer_1(dy, y, back):
    dsum = refconv.relu_dx(dy, x=y)  # the ReLU follows the sum, so it affects both branches
    return dsum + back(dsum)


def mistake_1(dy, y, back):
    return dy + back(refconv.relu_dx(dy, x=y))  # as if the shortcut bypassed the ReLU


def answer_2(n, m):
    return 0.5**m, (n - m) / 2  # each deleted block halves the paths; a path takes or bypasses each of the n − m blocks


def mistake_2(n, m):
    return (n - m) / n, (n - m) / 2  # as if deleting a block removed only its share, 1/n, of the paths


def answer_3(l, L, p_L):
    return 1 - l / L * (1 - p_L)


def mistake_3(l, L, p_L):
    return 1 - (l - 1) / (L - 1) * (1 - p_L)  # starts with 1 at the first block, which then is never left out


def answer_4(x, main, survival, rng):
    return x + main(x) if rng.random() < survival else x  # in training f has weight 1 or 0


def mistake_4(x, main, survival, rng):
    return x + survival * main(x)  # this is the rule for inference
