"""torchvision's networks: arguments of builders, and preprocessing of published weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from refconv._errors import ArgumentValueError
from refconv.models.aliases import plain

__all__ = ["TORCHVISION", "Variant", "torchvision_variant"]


class Variant(NamedTuple):
    """Arguments that make a network equal to torchvision's, and the size of its images.

    ``name`` is a name in ``refconv.models.names()``. The shorter side of an image is scaled to ``resize`` pixels; then the
    centre of the input size is cropped.
    """

    name: str
    arguments: dict[str, Any]
    resize: int = 256


# PyTorch's defaults: eps is 1e-5, and the newest batch has the weight 0.1 in the running averages, from the first batch on.
PYTORCH_NORM = {"bn_eps": 1e-5, "bn_momentum": 0.9, "bn_averages": "lecture"}
INCEPTION = {**PYTORCH_NORM, "bn_eps": 1e-3, "style": "torchvision", "transform_input": True}
RESIDUAL = {**PYTORCH_NORM, "stride_in": "3x3"}
# Pixels, for the newer of two sets of weights (IMAGENET1K_V2) and for resnext101_64x4d, which has one set. The older set
# (IMAGENET1K_V1) needs 256, the default.
RECENT = 232

TORCHVISION = {
    "alexnet": Variant("alexnet-single", {"adaptive_pool": True}),
    **{
        f"vgg{depth}": Variant(f"vgg-{column}", {"adaptive_pool": True})
        for depth, column in ((11, "a"), (13, "b"), (16, "d"), (19, "e"))
    },
    **{
        f"vgg{depth}_bn": Variant(f"vgg-{column}-bn", {"adaptive_pool": True, **PYTORCH_NORM})
        for depth, column in ((11, "a"), (13, "b"), (16, "d"), (19, "e"))
    },
    "googlenet": Variant("googlenet", INCEPTION),
    "inception_v3": Variant("inception-v3", INCEPTION, 342),
    "resnet18": Variant("resnet18", PYTORCH_NORM),
    "resnet34": Variant("resnet34", PYTORCH_NORM),
    **{f"resnet{depth}": Variant(f"resnet{depth}", RESIDUAL, RECENT) for depth in (50, 101, 152)},
    "resnext50_32x4d": Variant("resnext50", PYTORCH_NORM, RECENT),
    "resnext101_32x8d": Variant("resnext101-32x8d", PYTORCH_NORM, RECENT),
    "resnext101_64x4d": Variant("resnext101-64x4d", PYTORCH_NORM, RECENT),
    "wide_resnet50_2": Variant("wrn-50-2", PYTORCH_NORM, RECENT),
    "wide_resnet101_2": Variant("wrn-101-2", PYTORCH_NORM, RECENT),
    **{f"densenet{depth}": Variant(f"densenet{depth}", PYTORCH_NORM) for depth in (121, 161, 169, 201)},
}


def torchvision_variant(name: str) -> Variant:
    """Return the variant for torchvision's name of a network, or for refconv's name.

    Case, "-" and "_" are ignored. Raises ``ValueError`` if torchvision does not have the network.

    >>> torchvision_variant("AlexNet").name, torchvision_variant("vgg-d").arguments
    ('alexnet-single', {'adaptive_pool': True})
    """
    variants = {plain(variant.name): variant for variant in TORCHVISION.values()}
    variants |= {plain(own): variant for own, variant in TORCHVISION.items()}
    if plain(name) not in variants:
        known = ", ".join(TORCHVISION)
        raise ArgumentValueError(
            f"name must be a network of torchvision for weights of PyTorch: {known}; got {name!r}. For another network, build "
            "it and call weights.from_torch"
        )
    return variants[plain(name)]
