"""Numbers of the "Convolutional layer example" of lecture deck B.

Three entries of the filters differ from the text of the slide, because the layer does not give the printed outputs with the
entries in the text: they are listed in :data:`PRINTED`. Source: lecture row B1 (SOURCES.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["PRINTED", "SlideExample", "slide_example"]

# The three corrected entries of w, as (row, column, channel, filter), and the number in the text of the slide. Two of them
# probably lost a minus sign. Of all ways to change at most two entries of filter 0, or one of filter 1, to −1, 0 or 1, these
# are the only ones that give the printed outputs.
PRINTED = {(0, 2, 1, 0): 1.0, (1, 1, 2, 0): 1.0, (1, 0, 2, 1): 0.0}


class SlideExample(NamedTuple):
    """Numbers of a convolution layer, channels last.

    Parameters
    ----------
    x : array (5, 5, 3)
        Input, without padding.
    w : array (3, 3, 3, 2)
        Two filters.
    bias : array (2,)
    stride, padding : int
    y : array (3, 3, 2)
        Outputs, 17 of them as printed. The slide shows a question mark for y[0, 0, 0], which is 5.
    """

    x: np.ndarray
    w: np.ndarray
    bias: np.ndarray
    stride: int
    padding: int
    y: np.ndarray


def slide_example() -> SlideExample:
    """Return the example of the slide in new float64 arrays.

    >>> from refconv import conv2d
    >>> x, w, bias, stride, padding, y = slide_example()
    >>> conv2d(x[None], w, bias, stride=stride, padding=padding)[0, :, :, 0]
    array([[ 5., -1.,  4.],
           [ 4.,  1.,  1.],
           [-3.,  3.,  1.]])

    Source: lecture row B1 (SOURCES.md).
    """
    x = np.stack([_matrix(channel) for channel in CHANNELS], axis=-1)
    w = np.stack([np.stack([_matrix(channel) for channel in channels], axis=-1) for channels in FILTERS], axis=-1)
    y = np.stack([_matrix(output) for output in OUTPUTS], axis=-1)
    return SlideExample(x, w, np.array([1.0, 0.0]), stride=2, padding=1, y=y)


def _matrix(rows):
    return np.array([row.split() for row in rows.split(",")], float)


CHANNELS = (
    "0 1 2 2 2, 2 0 1 0 2, 0 0 1 1 2, 1 0 2 2 0, 2 1 2 1 0",
    "0 1 0 2 2, 0 1 0 2 0, 2 1 1 2 0, 1 0 0 0 0, 0 2 1 0 0",
    "0 1 2 1 2, 2 0 1 0 1, 1 1 2 1 0, 1 0 2 1 0, 2 0 0 2 2",
)
FILTERS = (
    ("0 0 1, 1 -1 -1, 1 1 0", "0 1 -1, 0 1 0, 0 0 0", "1 0 -1, 0 -1 1, -1 1 0"),
    ("-1 1 0, 1 1 -1, 0 -1 -1", "1 1 -1, 1 1 1, 0 -1 1", "1 1 -1, -1 0 1, -1 1 -1"),
)
OUTPUTS = ("5 -1 4, 4 1 1, -3 3 1", "2 6 6, 6 2 8, 6 10 -2")
