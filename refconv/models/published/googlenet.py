"""Published figures of GoogLeNet, from its Table 1."""

from refconv.models.blocks import IMAGENET
from refconv.models.googlenet import googlenet
from refconv.models.published.claim import Claim, Table, depth, stages

# Table 1's column "depth": convolutions and dense layers on a path through the row.
DEPTHS = {"convolution 7×7/2": "1", "convolution 3×3/1": "2", "linear": "1"}

# Table 1: name of the row, our layers for it, output size, parameters, operations.
ROWS = (
    ("convolution 7×7/2", ("conv1",), "112×112×64", "2.7K", "34M"),
    ("max pool", ("pool1",), "56×56×64", "", ""),
    ("convolution 3×3/1", ("conv2_reduce", "conv2"), "56×56×192", "112K", "360M"),
    ("max pool", ("pool2",), "28×28×192", "", ""),
    ("inception (3a)", ("inception3a",), "28×28×256", "159K", "128M"),
    ("inception (3b)", ("inception3b",), "28×28×480", "380K", "304M"),
    ("max pool", ("pool3",), "14×14×480", "", ""),
    ("inception (4a)", ("inception4a",), "14×14×512", "364K", "73M"),
    ("inception (4b)", ("inception4b",), "14×14×512", "437K", "88M"),
    ("inception (4c)", ("inception4c",), "14×14×512", "463K", "100M"),
    ("inception (4d)", ("inception4d",), "14×14×528", "580K", "119M"),
    ("inception (4e)", ("inception4e",), "14×14×832", "840K", "170M"),
    ("max pool", ("pool4",), "7×7×832", "", ""),
    ("inception (5a)", ("inception5a",), "7×7×832", "1072K", "54M"),
    ("inception (5b)", ("inception5b",), "7×7×1024", "1388K", "71M"),
    ("avg pool", ("mean",), "1×1×1024", "", ""),
    ("linear", ("scores",), "1×1×1000", "1000K", "1M"),
)

SEPARABLE = "the printed figures belong to a separable convolution with 8 filters per colour, 2,712 weights and 34.0M"
COLUMNS = "the count follows from the other columns of the row, and from its operations"
FIVE_A = "the count follows from the other columns; the printed parameters and operations include 55,296 more weights"

REASONS = {
    "convolution 7×7/2": (SEPARABLE, SEPARABLE),
    "inception (3b)": ("379.0K without biases, 379.6K with biases", ""),
    **{f"inception ({name})": (COLUMNS, "") for name in ("4a", "4b", "4c", "4d", "4e", "5b")},
    "inception (5a)": (FIVE_A, FIVE_A),
}


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    at = stages(googlenet(heads=False), IMAGENET)
    claims = []
    for row, layers, printed_size, parameters, operations in ROWS:
        weights_reason, operations_reason = REASONS.get(row, ("", ""))
        claims.append(Claim(f"{row}, size", printed_size, at[layers[-1]].output))
        inside = sum(depth(at[name].layer, at[name].input) for name in layers)
        claims.append(Claim(f"{row}, depth", "2" if row.startswith("inception") else DEPTHS.get(row, "0"), inside))
        if parameters:
            claims.append(Claim(f"{row}, params", parameters, sum(at[n].weights for n in layers), weights_reason))
            claims.append(Claim(f"{row}, ops", operations, sum(at[n].multiply_adds for n in layers), operations_reason))
    torchvision = {False: "6,624,904", True: "13,004,888"}
    counts = {heads: googlenet("torchvision", heads=heads).count_parameters(IMAGENET, True) for heads in torchvision}
    return [
        Table("GoogLeNet (2014), Table 1; K means 1,024, and biases are not counted", claims, kilo=1024),
        Table(
            "GoogLeNet in torchvision",
            [Claim(f"parameters {'with' if h else 'without'} heads", p, counts[h]) for h, p in torchvision.items()],
        ),
    ]
