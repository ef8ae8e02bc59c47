"""Published figures of DenseNet."""

from refconv.models.blocks import CIFAR, IMAGENET
from refconv.models.densenet import CONFIGURATIONS, cifar_densenet, densenet
from refconv.models.published.claim import Claim, Table, stages

SIZES = {
    "conv1": "112×112",
    "pool1": "56×56",
    "dense1": "56×56",
    "transition1": "28×28",
    "dense2": "28×28",
    "transition2": "14×14",
    "dense3": "14×14",
    "transition3": "7×7",
    "dense4": "7×7",
}

# Parameters and multiply-adds ("GFLOPS") in torchvision's documentation.
TORCHVISION = {
    121: ("7,978,856", "2.83×10⁹"),
    161: ("28,681,000", "7.73×10⁹"),
    169: ("14,149,480", "3.36×10⁹"),
    201: ("20,013,928", "4.29×10⁹"),
}

# Table 2: depth, k, bottleneck and compression, parameters.
MILLIONS = (
    (40, 12, False, "1.0M"),
    (100, 12, False, "7.0M"),
    (100, 24, False, "27.2M"),
    (100, 12, True, "0.8M"),
    (250, 24, True, "15.3M"),
    (190, 40, True, "25.6M"),
)


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    nets = {depth: densenet(depth) for depth in CONFIGURATIONS}
    return [
        Table(
            "DenseNet (2017), Table 1",
            [
                Claim(f"DenseNet-{depth}, {name}", printed, stage.output[:2])
                for depth, net in nets.items()
                for name, stage in stages(net, IMAGENET).items()
                if (printed := SIZES.get(name))
            ],
        ),
        Table(
            "DenseNet, Table 2: parameters on CIFAR",
            [
                Claim(f"DenseNet{'-BC' if bc else ''}, depth {depth}, k = {k}", printed, _parameters(depth, k, bc))
                for depth, k, bc, printed in MILLIONS
            ],
        ),
        Table(
            "DenseNet in torchvision",
            [
                claim
                for depth, (parameters, operations) in TORCHVISION.items()
                for claim in (
                    Claim(f"densenet{depth}, parameters", parameters, nets[depth].count_parameters(IMAGENET, True)),
                    Claim(f"densenet{depth}, multiply-adds", operations, nets[depth].multiply_adds(IMAGENET)),
                )
            ],
        ),
    ]


def _parameters(depth: int, growth: int, bc: bool) -> int:
    net = cifar_densenet(depth, growth, bottleneck=bc, compression=0.5 if bc else 1)
    return net.count_parameters(CIFAR, trainable_only=True)
