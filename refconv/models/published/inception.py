"""Published figures of BN-Inception and Inception-v3."""

from refconv.models.blocks import IMAGENET
from refconv.models.bn_inception import INCEPTION, bn_inception
from refconv.models.googlenet import googlenet
from refconv.models.inception_v3 import inception_v3
from refconv.models.published.claim import Claim, Table, stages

V3_INPUT = (299, 299, 3)

# "Batch normalization", Figure 5.
BN_SIZES = {
    "conv1": "112×112×64",
    "pool1": "56×56×64",
    "conv2": "56×56×192",
    "pool2": "28×28×192",
    "inception3a": "28×28×256",
    "inception3b": "28×28×320",
    "inception3c": "28×28×576",
    "inception4a": "14×14×576",
    "inception4b": "14×14×576",
    "inception4c": "14×14×576",
    "inception4d": "14×14×576",
    "inception4e": "14×14×1024",
    "inception5a": "7×7×1024",
    "inception5b": "7×7×1024",
    "mean": "1×1×1024",
}

# Last column of this table, in the rows with a projection after the pooling.
BN_PROJECTIONS = {
    "inception3a": "32",
    "inception3b": "64",
    "inception4a": "128",
    "inception4b": "128",
    "inception4c": "128",
    "inception4d": "128",
    "inception5a": "128",
    "inception5b": "128",
}

HALVED = "an error in the paper: the stride of 2 halves the size, which the table shows only in the next row"
PROJECTION_ERROR = "an error in the paper: 128 would give 608 channels, but the table prints 576"
SIZE_REASONS = {"inception3c": HALVED, "inception4e": HALVED}
PROJECTION_REASONS = {"inception4c": PROJECTION_ERROR, "inception4d": PROJECTION_ERROR}

# "Rethinking the Inception architecture", Table 1: the row, its input size, our layer, and the layer of the released network
# at the same place.
V3_INPUTS = (
    ("conv 3×3/2", "299×299×3", "conv1", "conv1"),
    ("conv 3×3/1", "149×149×32", "conv2", "conv2"),
    ("conv padded 3×3/1", "147×147×32", "conv3", "conv3"),
    ("pool 3×3/2", "147×147×64", "pool1", "pool1"),
    ("conv 3×3/1", "73×73×64", "conv4", "conv4"),
    ("conv 3×3/2", "71×71×80", "conv5", "pool2"),
    ("conv 3×3/1", "35×35×192", "conv6", "figure5_1"),
    ("3 × Inception as in Figure 5", "35×35×288", "figure5_1", "reduction1"),
    ("5 × Inception as in Figure 6", "17×17×768", "figure6_1", "figure6_1"),
    ("2 × Inception as in Figure 7", "8×8×1280", "figure7_1", "figure7_1"),
    ("pool 8×8", "8×8×2048", "mean", "mean"),
    ("linear", "1×1×2048", "scores", "scores"),
)

RELEASED = "the released network has a 1×1, a 3×3 and a pooling instead of the table's two 3×3: 192 channels at 71×71"
ORDINARY = "2.02 with an ordinary first convolution; the table in BN-Inception's own paper has a separable one"
UNPRINTED = "the filters inside the blocks are not printed; ours are from the released network, which has 5.7Bn"

# Table 3: cost of each row, and the network that has its cost. The rows of a network differ only in its training or in the
# auxiliary classifier, which inference does not use. Batch normalisation costs no multiply-adds.
COSTS = (
    ("GoogLeNet", "1.5Bn", "googlenet"),
    ("BN-GoogLeNet", "1.5Bn", "googlenet"),
    ("BN-Inception", "2.0Bn", "bn"),
    ("Inception-v2", "3.8Bn", "v2"),
    ("Inception-v2 RMSProp", "3.8Bn", "v2"),
    ("Inception-v2 Label Smoothing", "3.8Bn", "v2"),
    ("Inception-v2 Factorized 7×7", "4.8Bn", "v3"),
    ("Inception-v2 BN-auxiliary", "4.8Bn", "v3"),
)
COST_REASONS = {"bn": ORDINARY, "v2": UNPRINTED, "v3": UNPRINTED}


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    bn = stages(bn_inception(), IMAGENET)
    with_head, without_head = inception_v3(), inception_v3(heads=False)
    return [
        Table(
            "BN-Inception (2015), Figure 5",
            [
                *(Claim(f"{n}, size", p, bn[n].output, SIZE_REASONS.get(n, "")) for n, p in BN_SIZES.items()),
                *(
                    Claim(f"{n}, projection", p, INCEPTION[n][3][1], PROJECTION_REASONS.get(n, ""))
                    for n, p in BN_PROJECTIONS.items()
                ),
            ],
        ),
        Table("Inception-v3 (2015), Table 1: input size of each row", _input_sizes("paper")),
        Table("Inception-v3 (2015), Table 1 beside the released network", _input_sizes("released")),
        Table("Rethinking the Inception architecture, Table 3: cost in multiply-adds", _costs()),
        Table(
            "Inception-v3 in torchvision",
            [
                Claim("parameters with the head", "27,161,264", with_head.count_parameters(V3_INPUT, True)),
                Claim("parameters without it", "23,834,568", without_head.count_parameters(V3_INPUT, True)),
            ],
        ),
    ]


def _input_sizes(style: str) -> list[Claim]:
    """Compare Table 1 with a style of our network."""
    at = stages(inception_v3(style=style, heads=False), V3_INPUT)
    claims = []
    for row, printed, paper, released in V3_INPUTS:
        layer = paper if style == "paper" else released
        claims.append(Claim(row, printed, at[layer].input, RELEASED if layer == "pool2" else ""))
    return [*claims, Claim("linear, output", "1×1×1000", at["scores"].output)]


def _costs() -> list[Claim]:
    """Compare Table 3 with the multiply-adds of our networks."""
    counts = {
        "googlenet": googlenet(heads=False).multiply_adds(IMAGENET),
        "bn": bn_inception().multiply_adds(IMAGENET),
        "v2": inception_v3(style="paper-v2", heads=False).multiply_adds(V3_INPUT),
        "v3": inception_v3(style="paper", heads=False).multiply_adds(V3_INPUT),
    }
    return [Claim(row, printed, counts[network], COST_REASONS.get(network, "")) for row, printed, network in COSTS]
