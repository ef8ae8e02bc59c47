"""Temporary: another branch writes this."""

from typing import NamedTuple
from refconv.data.mnist import load_mnist, load_fashion_mnist, load_kmnist
from refconv.data.cifar import load_cifar10, CIFAR10_CLASSES


class Source(NamedTuple):
    classes: tuple
    load: object


D = tuple("0123456789")
SOURCES = {
    "digits": Source(D, None),
    "mnist": Source(D, load_mnist),
    "fashion-mnist": Source(D, load_fashion_mnist),
    "kmnist": Source(D, load_kmnist),
    "cifar10": Source(CIFAR10_CLASSES, load_cifar10),
}
