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

# "Rethinking the Inception architecture", Table 1: the row, our layer, and the input size.
V3_INPUTS = (
    ("conv 3×3/2", "conv1", "299×299×3"),
    ("conv 3×3/1", "conv2", "149×149×32"),
    ("conv padded 3×3/1", "conv3", "147×147×32"),
    ("pool 3×3/2", "pool1", "147×147×64"),
    ("conv 3×3/1", "conv4", "73×73×64"),
    ("conv 3×3/2", "pool2", "71×71×80"),
    ("conv 3×3/1", "figure5_1", "35×35×192"),
    ("3 × Inception as in Figure 5", "reduction1", "35×35×288"),
    ("5 × Inception as in Figure 6", "figure6_1", "17×17×768"),
    ("2 × Inception as in Figure 7", "figure7_1", "8×8×1280"),
    ("pool 8×8", "mean", "8×8×2048"),
    ("linear", "scores", "1×1×2048"),
)

RELEASED = "the released network has a 1×1, a 3×3 and a pooling instead of the table's two 3×3: 192 channels at 71×71"
OTHER = "the released network differs from the network in the table, which costs less"
ORDINARY = "2.02 with an ordinary first convolution; the table in BN-Inception's own paper has a separable one"


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    bn, v3 = stages(bn_inception(), IMAGENET), stages(inception_v3(heads=False), V3_INPUT)
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
        Table(
            "Inception-v3 (2015), Table 1: input size of each row",
            [
                *(Claim(quantity, p, v3[n].input, RELEASED if n == "pool2" else "") for quantity, n, p in V3_INPUTS),
                Claim("linear, output", "1×1×1000", v3["scores"].output),
            ],
        ),
        Table(
            "Rethinking the Inception architecture, Table 3: cost",
            [
                Claim("GoogLeNet", "1.5Bn", googlenet(heads=False).multiply_adds(IMAGENET)),
                Claim("BN-Inception", "2.0Bn", bn_inception().multiply_adds(IMAGENET), ORDINARY),
                Claim("Inception-v3", "4.8Bn", without_head.multiply_adds(V3_INPUT), OTHER),
            ],
        ),
        Table(
            "Inception-v3 in torchvision",
            [
                Claim("parameters with the head", "27,161,264", with_head.count_parameters(V3_INPUT, True)),
                Claim("parameters without it", "23,834,568", without_head.count_parameters(V3_INPUT, True)),
            ],
        ),
    ]
