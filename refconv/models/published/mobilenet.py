"""Published figures of MobileNet, from its tables."""

from refconv.models.blocks import IMAGENET, conv_bn_relu
from refconv.models.mobilenet import BODY, mobilenet
from refconv.models.published.claim import Claim, Stage, Table, count_weights, stages
from refconv.nn import Dense, GlobalAvgPool2D, Sequential
from refconv.nn.layer import Layer
from refconv.typing import Shape

# Table 1: our layer, True for its depthwise and False for its 1 × 1 convolution, filter shape, input size. The rows of conv8
# to conv12 are equal.
ROWS = (
    ("conv1", None, "3×3×3×32", "224×224×3"),
    ("conv2", True, "3×3×32", "112×112×32"),
    ("conv2", False, "1×1×32×64", "112×112×32"),
    ("conv3", True, "3×3×64", "112×112×64"),
    ("conv3", False, "1×1×64×128", "56×56×64"),
    ("conv4", True, "3×3×128", "56×56×128"),
    ("conv4", False, "1×1×128×128", "56×56×128"),
    ("conv5", True, "3×3×128", "56×56×128"),
    ("conv5", False, "1×1×128×256", "28×28×128"),
    ("conv6", True, "3×3×256", "28×28×256"),
    ("conv6", False, "1×1×256×256", "28×28×256"),
    ("conv7", True, "3×3×256", "28×28×256"),
    ("conv7", False, "1×1×256×512", "14×14×256"),
    *(
        row
        for k in range(8, 13)
        for row in ((f"conv{k}", True, "3×3×512", "14×14×512"), (f"conv{k}", False, "1×1×512×512", "14×14×512"))
    ),
    ("conv13", True, "3×3×512", "14×14×512"),
    ("conv13", False, "1×1×512×1024", "7×7×512"),
    ("conv14", True, "3×3×1024", "7×7×1024"),
    ("conv14", False, "1×1×1024×1024", "7×7×1024"),
    ("mean", None, "", "7×7×1024"),
    ("scores", None, "1024×1000", "1×1×1024"),
)

WITHOUT_DENSE = "4,866.3M without the dense layer at the end, which all other figures include"

WIDTHS = ((1, "569M", "4.2M"), (0.75, "325M", "2.6M"), (0.5, "149M", "1.3M"), (0.25, "41M", "0.5M"))  # Table 6
RESOLUTIONS = ((224, "569M"), (192, "418M"), (160, "290M"), (128, "186M"))  # Table 7


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    return [
        Table("MobileNet (2017), Table 1", _body()),
        Table(
            "MobileNet, Tables 4, 6 and 7",
            [
                *_costs("with full convolutions", _full(), "4866M", "29.3M", WITHOUT_DENSE),
                *(
                    claim
                    for a, multiply_adds, n in WIDTHS
                    for claim in _costs(f"width {a}", mobilenet(width=a), multiply_adds, n)
                ),
                *(Claim(f"{s} pixels, multiply-adds", p, mobilenet().multiply_adds((s, s, 3))) for s, p in RESOLUTIONS),
            ],
        ),
        Table(
            "MobileNet in Keras",
            [
                Claim("parameters", "4,253,864", mobilenet().count_parameters(IMAGENET)),
                Claim("trainable parameters", "4,231,976", mobilenet().count_parameters(IMAGENET, True)),
            ],
        ),
    ]


def _body() -> list[Claim]:
    at, claims = stages(mobilenet(), IMAGENET), []
    for name, depthwise, shape, size in ROWS:
        stage = at[name] if depthwise is None else _part(at[name], depthwise)
        kind = {None: "", True: " dw", False: " pointwise"}[depthwise]
        claims.append(Claim(f"{name}{kind}, input", size, stage.input))
        claims += [Claim(f"{name}{kind}, filter", shape, _filter(stage))] if shape else []
    return claims


def _part(stage: Stage, depthwise: bool) -> Stage:
    return stages(stage.layer, stage.input)["depthwise" if depthwise else "pointwise"]


def _filter(stage: Stage) -> Shape:
    """Return the shape of the only kernel or matrix in a stage."""
    specs = [spec for _, layer, at in stage.layer.distinct_layers(stage.input) for spec in layer.specs(at).values()]
    (shape,) = (spec.shape for spec in specs if len(spec.shape) > 1)
    return shape


def _full() -> Sequential:
    """Create MobileNet with ordinary 3 × 3 convolutions instead of depthwise separable ones."""
    convs = [conv_bn_relu(32, 3, stride=2, padding="same")]
    convs += [conv_bn_relu(filters, 3, stride=stride, padding="same") for stride, filters in BODY]
    return Sequential(*convs, GlobalAvgPool2D(), Dense(1000))


def _costs(quantity: str, net: Layer, multiply_adds: str, weights: str, reason: str = "") -> list[Claim]:
    return [
        Claim(f"{quantity}, multiply-adds", multiply_adds, net.multiply_adds(IMAGENET), reason),
        Claim(f"{quantity}, parameters", weights, count_weights(net, IMAGENET)),
    ]
