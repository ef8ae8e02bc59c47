"""Published figures of residual networks and ResNeXt."""

from refconv.models.blocks import CIFAR, IMAGENET
from refconv.models.cifar_resnet import cifar_resnet
from refconv.models.published.claim import Claim, Table, stages
from refconv.models.resnet import DEPTHS, resnet
from refconv.models.resnext import SETTINGS, resnext

SIZES = {"conv1": "112×112", "pool1": "56×56", "conv2_x": "56×56", "conv3_x": "28×28", "conv4_x": "14×14", "conv5_x": "7×7"}
FLOPS = {18: "1.8×10⁹", 34: "3.6×10⁹", 50: "3.8×10⁹", 101: "7.6×10⁹", 152: "11.3×10⁹"}
TORCHVISION = {18: "11,689,512", 34: "21,797,672", 50: "25,557,032", 101: "44,549,160", 152: "60,192,808"}
CIFAR_MILLIONS = {20: "0.27M", 32: "0.46M", 44: "0.66M", 56: "0.85M", 110: "1.7M"}  # Table 6
COMPLEXITY = {50: "~4.1×10⁹", 101: "~7.8×10⁹"}


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    nets = {depth: resnet(depth) for depth in DEPTHS}
    return [
        Table(
            "ResNet (2015), Table 1",
            [
                *(
                    Claim(f"{depth}-layer, {name}", printed, stage.output[:2])
                    for depth, net in nets.items()
                    for name, stage in stages(net, IMAGENET).items()
                    if (printed := SIZES.get(name))
                ),
                *(Claim(f"{depth}-layer, FLOPs", p, nets[depth].multiply_adds(IMAGENET)) for depth, p in FLOPS.items()),
            ],
        ),
        Table(
            "ResNet in torchvision",
            [Claim(f"resnet{d}, parameters", p, nets[d].count_parameters(IMAGENET, True)) for d, p in TORCHVISION.items()],
        ),
        Table(
            "ResNet on CIFAR, Table 6, and the same networks without shortcuts",
            [
                Claim(f"{'plain' if plain else 'ResNet'}-{depth}, parameters", printed, _parameters(depth, plain))
                for depth, printed in CIFAR_MILLIONS.items()
                for plain in (False, True)
            ],
        ),
        Table("ResNet's training", [Claim("120 epochs of 1.281M images, batches of 256", "600K", round(120 * 1.281e6 / 256))]),
        _resnext(),
    ]


def _parameters(depth: int, plain: bool) -> int:
    return cifar_resnet(depth, plain=plain).count_parameters(CIFAR, trainable_only=True)


def _resnext() -> Table:
    resnet50, resnext50 = resnet(50, stride_in="3x3"), resnext(50)
    return Table(
        "ResNeXt (2016), Tables 1 and 3: equal complexity",
        [
            Claim("ResNet-50, parameters", "25.5×10⁶", resnet50.count_parameters(IMAGENET, True)),
            Claim("ResNet-50, FLOPs", "4.1×10⁹", resnet50.multiply_adds(IMAGENET)),
            Claim("ResNeXt-50, parameters", "25.0×10⁶", resnext50.count_parameters(IMAGENET, True)),
            Claim("ResNeXt-50, FLOPs", "4.2×10⁹", resnext50.multiply_adds(IMAGENET)),
            *(
                Claim(f"{depth} layers, {C}×{d}d, FLOPs", printed, resnext(depth, cardinality=C).multiply_adds(IMAGENET))
                for depth, printed in COMPLEXITY.items()
                for C, d in SETTINGS.items()
            ),
            Claim("torchvision's resnext50_32x4d, parameters", "25,028,904", resnext50.count_parameters(IMAGENET, True)),
        ],
    )
