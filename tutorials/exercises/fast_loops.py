"""12 · Fast loops: counts, loop orders, tiles, and fewer products."""

from collections import OrderedDict
from fractions import Fraction
from itertools import permutations, product

import numpy as np
from checking import SHOWN_ABOVE, checked

import refconv
from refconv import nn, verify


@checked("three numbers: operations, bytes of the arrays and bytes of the columns")
def check_1(answer):
    """Check the operations and bytes of a layer and the bytes of its im2col matrix."""
    shape, layer = (224, 224, 64), nn.Conv2D(64, 3, padding="same")
    pixels, weights = 4 * 224 * 224 * 64, 4 * 3 * 3 * 64 * 64
    expected_values = {
        "operations": (2 * layer.multiply_adds(shape), "two for each of 224·224·64 outputs times 3·3·64 products"),
        "bytes of the arrays": (2 * pixels + weights, "four for each number of x, w and y; padding is not part of x"),
        "bytes of the columns": (9 * pixels, "each of 224·224 columns has 3·3·64 numbers, including zeros of the padding"),
    }
    for number, (name, (expected, hint)) in zip(answer, expected_values.items(), strict=True):
        assert number == expected, f"the {name} are not {number:,}: {hint}"


@checked("a function of x, w and stride that returns an array")
def check_2(function):
    """Check a function that computes the layer with one matrix product for each tap."""
    assert verify.check(function, "conv2d", seconds=1), SHOWN_ABOVE


SIZES = {"p": 24, "c": 32, "o": 48}
LINE, CACHE = 16, 16  # numbers in a line, lines in the cache


def lines_fetched(order):
    """Return how many lines the loops of y[p, o] += x[p, c] * w[c, o] fetch in this order."""
    cache, fetched = OrderedDict(), 0
    for indices in product(*(range(SIZES[axis]) for axis in order)):
        at = dict(zip(order, indices, strict=True))
        for array, row, column in (("x", "p", "c"), ("w", "c", "o"), ("y", "p", "o")):
            line = array, (at[row] * SIZES[column] + at[column]) // LINE
            if line not in cache:
                fetched += 1
                if len(cache) == CACHE:
                    cache.popitem(last=False)  # the line that was not used for the longest time
            cache[line] = None
            cache.move_to_end(line)
    return fetched


@checked('a word such as "opc"')
def check_3(order):
    """Check the order of a 1×1 convolution's loops that fetches the fewest lines."""
    orders = ["".join(axes) for axes in permutations("pco")]
    assert order in orders, f"the answer must be the letters p, c and o in some order, got {order!r}"
    counts = {each: lines_fetched(each) for each in orders}
    better = sum(count < counts[order] for count in counts.values())
    assert not better, (
        f"{order} fetches {counts[order]:,} lines, and {better} of the six orders fetch fewer: along which axis are both "
        "w and y contiguous? And which array is small enough to stay in the cache?"
    )


@checked("two numbers: rows and ratio")
def check_4(answer):
    """Check the rows of a tile of three vectors in 16 registers, and its multiply-adds per load."""
    rows, ratio = answer
    registers = 3 * rows + 3 + 1
    assert registers <= 16, f"{rows} rows need 3 · {rows} sums, 3 vectors of weights and 1 number: {registers} registers"
    assert rows == 4, f"with {rows} rows, {16 - registers} registers are left: are they enough for another row?"
    loads = "each iteration loads 3 vectors of weights and one number for each row"
    assert np.isclose(float(ratio), 12 / 7, rtol=1e-2), f"{loads}, and does 3 multiply-adds for each row"


B_T = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
G = [[1, 0, 0], [Fraction(1, 2)] * 3, [Fraction(1, 2), Fraction(-1, 2), Fraction(1, 2)], [0, 0, 1]]


@checked("two lists of four numbers")
def check_5(A_T):
    """Check the matrix that turns the four products of F(2, 3) into two outputs."""
    A, B, K = np.array(A_T, object).T, np.array(B_T, object).T, np.array(G, object)
    assert A.shape == (4, 2), f"Aᵀ must have two rows of four numbers, one row for each output, got shape {A.T.shape}"
    rng = np.random.default_rng(5)
    D, g = (np.array([[Fraction(int(v)) for v in row] for row in rng.integers(-9, 10, (n, n))]) for n in (4, 3))
    for t in range(4):
        d, taps = D[t], g[t % 3]
        y, result = (taps @ d[:3], taps @ d[1:]), A.T @ ((K @ taps) * (B.T @ d))
        for place in (0, 1):
            assert result[place] == y[place], (
                f"y_{place} for d = {[*map(int, d)]}, g = {[*map(int, taps)]} must be {y[place]}, got {result[place]}"
            )
    with refconv.config(engine="reference"):
        plain = refconv.cross_correlate2d(D, g, "valid")
    assert np.array_equal(A.T @ ((K @ g @ K.T) * (B.T @ D @ B)) @ A, plain)
