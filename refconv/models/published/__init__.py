"""Published figures about the architectures, from papers, lectures and other libraries.

Each figure is compared with our count. There is one module for each family of architectures, which includes refinements. All
counts are computed from shapes, so no arrays are allocated. :func:`settings` returns the settings with which the papers train
their networks.
"""

from collections.abc import Sequence

from refconv._errors import ArgumentValueError
from refconv.models.published import (
    accuracy,
    alexnet,
    densenet,
    fractalnet,
    googlenet,
    ilsvrc,
    inception,
    lenet,
    mobilenet,
    resnet,
    unet,
    vgg,
    wide_resnet,
)
from refconv.models.published.claim import Claim, Table, agrees
from refconv.models.published.setting import Setting, Training
from refconv.models.published.training import TRAINING, settings

__all__ = ["FAMILIES", "TRAINING", "Claim", "Setting", "Table", "Training", "agrees", "settings", "tables"]

FAMILIES = {
    "lenet": lenet,
    "alexnet": alexnet,
    "vgg": vgg,
    "googlenet": googlenet,
    "inception": inception,
    "resnet": resnet,
    "wide_resnet": wide_resnet,
    "fractalnet": fractalnet,
    "densenet": densenet,
    "mobilenet": mobilenet,
    "unet": unet,
    "ilsvrc": ilsvrc,
    "accuracy": accuracy,
}


def tables(families: Sequence[str] = ()) -> list[Table]:
    """Return the tables of some families, or of all.

    ``ValueError`` is raised for an unknown family.

    >>> [table.title for table in tables(["unet"])]
    ['U-Net, Figure 1: sizes, from the top left to the top right']
    """
    for family in families:
        if family not in FAMILIES:
            raise ArgumentValueError(f"family must be one of {', '.join(FAMILIES)}, got {family!r}")
    return [table for family in families or FAMILIES for table in FAMILIES[family].tables()]
