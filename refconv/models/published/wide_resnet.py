"""Published figures of wide residual networks."""

from refconv.models.blocks import CIFAR, IMAGENET
from refconv.models.published.claim import Claim, Table
from refconv.models.wide_resnet import wide_resnet, wide_resnet50

# Table 5 of the paper: depth, k, parameters.
MILLIONS = (
    (40, 1, "0.6M"),
    (40, 2, "2.2M"),
    (40, 4, "8.9M"),
    (40, 8, "35.7M"),
    (28, 10, "36.5M"),
    (28, 12, "52.5M"),
    (22, 8, "17.2M"),
    (22, 10, "26.8M"),
    (16, 8, "11.0M"),
    (16, 10, "17.1M"),
)


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    wide = wide_resnet50()
    return [
        Table(
            "Wide residual networks (2016), parameters on CIFAR",
            [Claim(f"WRN-{d}-{k}", p, wide_resnet(d, k).count_parameters(CIFAR, True)) for d, k, p in MILLIONS],
        ),
        Table(
            "WRN-50-2-bottleneck",
            [
                Claim("parameters", "68.9M", wide.count_parameters(IMAGENET, True)),
                Claim("parameters, torchvision's wide_resnet50_2", "68,883,240", wide.count_parameters(IMAGENET, True)),
            ],
        ),
    ]
