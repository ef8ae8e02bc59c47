"""Options --crops and --scales: averages over several views of each image."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from refconv._errors import ArgumentValueError
from refconv.cli.arguments import one_of, positive

if TYPE_CHECKING:
    from refconv.cli.saved_model import SavedModel
    from refconv.training.ensemble import Views

__all__ = ["add_views", "with_views"]

LARGER = 8 / 7  # side of the image from which crops are taken, relative to the crop: 256 / 224 in the papers
VIEWS = {"1": "centre_crop", "10": "ten_crops", "50": "grid_crops", "144": "crops_144"}


def add_views(add: Callable[..., Any]) -> None:
    """Add the options."""
    add("--crops", **one_of(*VIEWS), default="1", help="number of crops of each image (default: %(default)s)")
    add("--scales", type=positive, nargs="+", metavar="N", help="lengths of the shorter side before cropping")


def with_views(model: SavedModel, options: Namespace) -> tuple[Any, SavedModel]:
    """Return the network that averages over the views, and the model with larger images."""
    if options.crops == "1" and not options.scales:
        return model.network, model
    if model.has_masks:
        raise ArgumentValueError("--crops and --scales must be left out for a network that classifies pixels")
    from refconv.training import Ensemble

    views, box = _views(model, options)
    return Ensemble(model.network, views=views), replace(
        model, prepare=replace(model.prepare, size=(box, box), resize=(box, box), shorter_side=None)
    )


def _views(model: SavedModel, options: Namespace) -> tuple[Views, int]:
    """Return the views of each image, and the side of the images from which they are taken."""
    from refconv.training import ensemble

    height, width = model.prepare.size
    if height != width:
        raise ArgumentValueError(
            f"--crops and --scales must be left out for inputs that are not square, got {height} × {width}"
        )
    if options.scales and min(options.scales) < height:
        raise ArgumentValueError(f"--scales must be at least {height}, the size of the crops, got {min(options.scales)}")
    if options.crops == "144":
        scales = options.scales or [round(height * n / 224) for n in (256, 288, 320, 352)]
        return ensemble.crops_144(height, sizes=scales), max(scales)
    scales = options.scales or [round(LARGER * height)]
    crops = getattr(ensemble, VIEWS[options.crops])(height)
    return ensemble.scales(*scales, views=crops), max(scales)
