"""Data sets, batches and augmentation."""

from refconv.data import augment, sources
from refconv.data.batches import Batches, lenet_input, split
from refconv.data.cifar import load_cifar10, load_cifar100
from refconv.data.classes import (
    CIFAR10_CLASSES,
    CIFAR100_CLASSES,
    CIFAR100_COARSE_CLASSES,
    DIGIT_CLASSES,
    EMNIST_CLASSES,
    FASHION_MNIST_CLASSES,
    KMNIST_CLASSES,
)
from refconv.data.datasets import Dataset, open_dataset, open_split
from refconv.data.digits import draw_digits
from refconv.data.emnist import load_emnist
from refconv.data.files import BadDataFile, DataNotFound
from refconv.data.folder import load_folder, open_folder
from refconv.data.idx import read_idx, write_idx
from refconv.data.image_files import ImageFiles
from refconv.data.mnist import load_fashion_mnist, load_kmnist, load_mnist
from refconv.data.prefetch import Prefetch
from refconv.data.preprocessing import Preprocessing
from refconv.data.resample import resize
from refconv.data.statistics import channel_statistics, normalize

__all__ = [
    "CIFAR10_CLASSES",
    "CIFAR100_CLASSES",
    "CIFAR100_COARSE_CLASSES",
    "DIGIT_CLASSES",
    "EMNIST_CLASSES",
    "FASHION_MNIST_CLASSES",
    "KMNIST_CLASSES",
    "BadDataFile",
    "Batches",
    "DataNotFound",
    "Dataset",
    "ImageFiles",
    "Prefetch",
    "Preprocessing",
    "augment",
    "channel_statistics",
    "draw_digits",
    "lenet_input",
    "load_cifar10",
    "load_cifar100",
    "load_emnist",
    "load_fashion_mnist",
    "load_folder",
    "load_kmnist",
    "load_mnist",
    "normalize",
    "open_dataset",
    "open_folder",
    "open_split",
    "read_idx",
    "resize",
    "sources",
    "split",
    "write_idx",
]
