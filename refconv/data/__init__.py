"""Data sets, and the way from a file to a mini-batch."""

from refconv.data.batches import Batches, lenet_input
from refconv.data.digits import draw_digits
from refconv.data.files import BadDataFile, DataNotFound
from refconv.data.idx import read_idx, write_idx
from refconv.data.mnist import load_mnist

__all__ = [
    "BadDataFile",
    "Batches",
    "DataNotFound",
    "draw_digits",
    "lenet_input",
    "load_mnist",
    "read_idx",
    "write_idx",
]
