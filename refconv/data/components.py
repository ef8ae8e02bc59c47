"""Connected components of a binary image, computed from the runs of its rows."""

from __future__ import annotations

import numpy as np

from refconv.typing import Array

__all__ = ["Components"]


class Components:
    """Connected components of a binary image; pixels that touch at a corner are connected.

    Parameters
    ----------
    mask : array (H, W), bool

    Attributes
    ----------
    image : array (H, W), intp
        0 outside the mask; a pixel of component k has the value k + 1.
    boxes : array (n, 4), intp
        Top, left, bottom and right of each component; bottom and right are exclusive.
    areas : array (n,), intp
        Number of pixels of each component.

    Examples
    --------
    >>> parts = Components(np.array([[1, 1, 0, 0, 1], [0, 0, 1, 0, 1]], bool))
    >>> parts.image
    array([[1, 1, 0, 0, 2],
           [0, 0, 1, 0, 2]])
    >>> parts.boxes.tolist(), parts.areas.tolist()
    ([[0, 0, 2, 3], [0, 4, 2, 5]], [3, 2])
    """

    def __init__(self, mask: Array) -> None:
        rows, starts, ends = _runs(mask)
        _, component = np.unique(_roots(rows, starts, ends, mask.shape[1] + 2), return_inverse=True)
        count = int(component.max(initial=-1)) + 1
        self.image = np.zeros(mask.shape, np.intp)
        self.image[mask] = np.repeat(component + 1, ends - starts)  # runs and pixels are both in row-major order
        self.areas = np.bincount(component, ends - starts, count).astype(np.intp)
        self.boxes = np.repeat(np.array([[*mask.shape, 0, 0]], np.intp), count, 0)
        for side, values, ufunc in (
            (0, rows, np.minimum),
            (1, starts, np.minimum),
            (2, rows + 1, np.maximum),
            (3, ends, np.maximum),
        ):
            ufunc.at(self.boxes[:, side], component, values)

    def mask(self, chosen: Array) -> Array:
        """Return the pixels of some components, (H, W), bool; ``chosen`` is a bool array (n,)."""
        return np.append(False, chosen)[self.image]


def _runs(mask: Array) -> tuple[Array, Array, Array]:
    """Return the row, the first column and the column after the last of each run of pixels."""
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    return rows, starts, np.nonzero(steps == -1)[1]


def _roots(rows: Array, starts: Array, ends: Array, width: int) -> Array:
    """Return one number for each run; connected runs have the same number.

    ``width`` is larger than any column, so that ``row · width + column`` is in row-major order.
    """
    # The runs of the next row that touch run i are consecutive: those that end at its start or later, and start at its end
    # or earlier.
    first = np.searchsorted(rows * width + ends, (rows + 1) * width + starts, "left")
    last = np.searchsorted(rows * width + starts, (rows + 1) * width + ends, "right")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(rows)), counts)
    lower = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    root = np.arange(len(rows))
    while (root[upper] != root[lower]).any():
        low, high = np.minimum(root[upper], root[lower]), np.maximum(root[upper], root[lower])
        np.minimum.at(root, high, low)
        while (root[root] != root).any():
            root = root[root]
    return root
