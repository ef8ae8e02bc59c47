"""Rounding errors of Winograd's algorithm with 4×4 tiles for several interpolation points.

    python -m benchmarks.winograd_points

The algorithm (refconv/_core/conv/winograd.h) evaluates polynomials at 0, ±a, ±b and infinity. Without rounding, all a ≠ b give
the same outputs, but their rounding errors differ. This program computes the outputs in float32 with NumPy, on the same random
images and kernels, and also as plain sums, with one running sum for each output. It prints errors divided by the errors of the
plain sums: the root of the mean square, the largest, and a bound for all inputs (function ``bound``).
"""

import argparse
from itertools import product

import numpy as np

from refconv._ascii import use_ascii_forms

__all__ = ["bound", "main", "matrices", "outputs", "plain_outputs"]

POINTS = ((1, 2), (1, 1 / 2), (1 / 2, 3 / 2), (3 / 4, 3 / 2), (2 / 3, 3 / 2), (1 / 2**0.5, 2**0.5), (5 / 8, 3 / 2))
TILES, CHANNELS, FILTERS = 64, 64, 16
SEEDS = 4
# Roundings of one term on its way to the output, at most: 4 in each axis of the transforms of images and of kernels, 5 in each
# axis of the transform of products, and one for the product. The sum over C channels adds at most C.
ROUNDINGS = 2 * (4 + 4 + 5) + 1


def matrices(*points):
    """Return Aᵀ, G and Bᵀ of y = Aᵀ[(G g) ⊙ (Bᵀ d)] for these points and infinity."""
    points, m = np.array(points, float), len(points) - 1  # outputs
    other = [np.delete(points, k) for k in range(len(points))]
    products = np.array([np.prod(point - rest) for point, rest in zip(points, other, strict=True)])
    a = np.hstack([np.vstack([points**k for k in range(m)]), np.eye(m)[:, -1:]])
    g = np.vstack([np.vstack([points**k for k in range(3)]).T / products[:, None], np.eye(3)[-1:]])
    b = np.array([[*np.poly(rest)[::-1], 0] for rest in other] + [np.poly(points)[::-1]])
    return a, g, b


def applied(matrix, x):
    """Return the product of a matrix with the first axis of x, added term by term in its dtype."""
    matrix = matrix.astype(x.dtype)
    return np.stack([sum(entry * part for entry, part in zip(row, x, strict=True) if entry) for row in matrix])


def both_axes(matrix, x):
    """Apply a matrix to the first two axes of x."""
    return applied(matrix, applied(matrix, x).swapaxes(0, 1)).swapaxes(0, 1)


def outputs(d, g, a, b):
    """Return the outputs of tiles d (6, 6, tiles, C) with kernels g (3, 3, C, O)."""
    output, kernel, image = matrices(0, a, -a, b, -b)
    v, u = both_axes(image, d), both_axes(kernel, g)
    products = sum(v[..., c, None] * u[:, :, None, c] for c in range(d.shape[-1]))
    return both_axes(output, products)


def plain_outputs(d, g):
    """Return the same outputs as plain sums."""
    size = d.shape[0] - 2
    terms = product(range(3), range(3), range(d.shape[-1]))
    return sum(d[i : i + size, j : j + size, :, c, None] * g[i, j, c] for i, j, c in terms)


def bound(d, g, a, b):
    """Return a bound for the rounding error of each output.

    It is n·u/(1 − n·u) · |Aᵀ| (|G| |g| |Gᵀ| ⊙ |Bᵀ| |d| |B|) |A|, where u is the unit roundoff of the dtype of d, and n the
    number of roundings between an input and an output.
    """
    output, kernel, image = (np.abs(matrix) for matrix in matrices(0, a, -a, b, -b))
    v, u = both_axes(image, np.abs(d).astype(float)), both_axes(kernel, np.abs(g).astype(float))
    return growth(ROUNDINGS + d.shape[-1], d.dtype) * both_axes(output, v @ u)


def growth(n, dtype):
    """Return n·u/(1 − n·u), the largest relative error after n roundings."""
    error = n * np.finfo(dtype).eps / 2
    return error / (1 - error)


def main(arguments=None):
    """Print a line for each pair of points."""
    use_ascii_forms()
    argparse.ArgumentParser(
        prog="python -m benchmarks.winograd_points", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args(arguments)
    print("     a       b    root of mean square   largest     bound     (each divided by the number of the plain sum)")
    for a, b in POINTS:
        square, largest, limit = np.mean([compared(a, b, seed) for seed in range(SEEDS)], axis=0)
        print(f"{a:6.4f}  {b:6.4f}    {square:19.2f}   {largest:7.2f}   {limit:7.1f}")


def compared(a, b, seed):
    """Return the mean square, the largest error and the bound, divided by the plain sum's."""
    rng = np.random.default_rng(seed)
    d = rng.standard_normal((6, 6, TILES, CHANNELS)).astype(np.float32)
    g = rng.standard_normal((3, 3, CHANNELS, FILTERS)).astype(np.float32)
    exact = plain_outputs(d.astype(float), g.astype(float))
    error, plain = np.abs(outputs(d, g, a, b) - exact), np.abs(plain_outputs(d, g) - exact)
    limit = growth(9 * CHANNELS, d.dtype) * plain_outputs(np.abs(d).astype(float), np.abs(g).astype(float))
    mean_square = (np.mean(error**2) / np.mean(plain**2)) ** 0.5
    return mean_square, error.max() / plain.max(), bound(d, g, a, b).max() / limit.max()


if __name__ == "__main__":
    main()
