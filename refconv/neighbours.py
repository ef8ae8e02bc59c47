"""Arrays that lie behind one another in memory: what runs over all of them may run over one line of numbers.

A network has its parameters in many arrays, most of them small, and an update does the same to each number. So ``build`` puts
the values of small parameters behind one another, and their gradients. An optimiser does the same with what it remembers.
Then a step is a few passes, or a single one. Copies of a network have arrays of their own again, and are updated one by one.
"""

import itertools

import numpy as np

__all__ = ["runs", "zeros"]


def zeros(arrays) -> list[np.ndarray]:
    """Zeros of the shapes and types of these arrays; those of one type lie behind one another.

    >>> a, b = zeros([np.ones((2, 3)), np.ones(2)])
    >>> a.shape, b.shape, a.base is b.base, a.base.shape
    ((2, 3), (2,), True, (8,))
    """
    made = {}
    for dtype in {a.dtype for a in arrays}:
        same = [a for a in arrays if a.dtype == dtype]
        line = np.zeros(sum(a.size for a in same), dtype)
        ends = itertools.accumulate(a.size for a in same)
        made[dtype] = iter([line[end - a.size : end].reshape(a.shape) for a, end in zip(same, ends, strict=True)])
    return [next(made[a.dtype]) for a in arrays]


def runs(rows) -> list[list[np.ndarray]]:
    """Rows of arrays, those joined where each array lies behind that of the row before. They are views, and no copies.

    >>> a, b, c = np.ones(2), np.ones((1, 3)), np.ones(4)
    >>> (a, b, c), (f, g, h) = zeros([a, b, c]), zeros([a, b, c])
    >>> [[x.shape for x in row] for row in runs([(a, f), (b, g), (c, h)])]
    [[(9,), (9,)]]
    >>> [[x.shape for x in row] for row in runs([(a, f), (b, g), (c, h.copy())])]
    [[(5,), (5,)], [(4,), (4,)]]
    """
    groups = []
    for row in rows:
        if groups and all(map(_follows, row, groups[-1][-1])):
            groups[-1].append(row)
        else:
            groups.append([row])
    return [[_joined(arrays) for arrays in zip(*group, strict=True)] for group in groups]


def _follows(array, before):
    """Whether an array begins where another ends, in a line that both are cut from."""
    line = array.base
    return (
        isinstance(line, np.ndarray)
        and line is before.base
        and line.ndim == 1
        and line.dtype == array.dtype == before.dtype
        and all(a.flags.c_contiguous for a in (line, array, before))
        and line.flags.writeable == array.flags.writeable == before.flags.writeable
        and _address(array) == _address(before) + before.nbytes
    )


def _joined(arrays):
    first = arrays[0]
    if len(arrays) == 1:
        return first
    start = (_address(first) - _address(first.base)) // first.itemsize
    return first.base[start : start + sum(a.size for a in arrays)]


def _address(array):
    return array.__array_interface__["data"][0]
