"""Published figures of VGG, and the lectures' counts for small kernels."""

from refconv.models.blocks import IMAGENET
from refconv.models.published.claim import Claim, Table, count_weights
from refconv.models.resnet import bottleneck
from refconv.models.vgg import CONFIGURATIONS, vgg
from refconv.nn import Conv2D, Sequential
from refconv.typing import Size

MILLIONS = {"A": "133M", "A-LRN": "133M", "B": "133M", "C": "134M", "D": "138M", "E": "144M"}
LAYERS = {"A": "11", "A-LRN": "11", "B": "13", "C": "16", "D": "16", "E": "19"}
TORCHVISION = {"A": "132,863,336", "B": "133,047,848", "D": "138,357,544", "E": "143,667,240"}


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    counts = {c: vgg(c).count_parameters(IMAGENET) for c in CONFIGURATIONS}
    with_weights = {c: sum(bool(layer.specs(at)) for _, layer, at in vgg(c).children(IMAGENET)) for c in CONFIGURATIONS}
    return [
        Table(
            "VGG (2014), Tables 1 and 2",
            [
                *(Claim(f"{c}, weight layers", p, with_weights[c]) for c, p in LAYERS.items()),
                *(Claim(f"{c}, parameters", p, counts[c]) for c, p in MILLIONS.items()),
                *(Claim(f"{c}, parameters in torchvision", p, counts[c]) for c, p in TORCHVISION.items()),
            ],
        ),
        _small_kernels(),
    ]


def _small_kernels(K: int = 64) -> Table:
    """Compare three 3 × 3 layers with one 7 × 7 layer, and count a bottleneck (slide B7)."""

    def weights(kernel: Size, layers: int = 1, K: int = K) -> int:
        return count_weights(Sequential(*(Conv2D(K, kernel) for _ in range(layers))), (28, 28, K))

    narrow = bottleneck(64, 256)
    reduce, conv = narrow.layers["reduce"], narrow.layers["conv"]
    return Table(
        "The lectures on small kernels (B7), K = 64 and 256 maps",
        [
            Claim("one 7×7 layer, weights", "49", weights(7) // K**2),
            Claim("three 3×3 layers, weights", "27", weights(3, layers=3) // K**2),
            Claim("3×3 of 256 maps, operations per pixel", "~600K", weights(3, K=256)),
            Claim("1×1 from 256 to 64 maps", "16K", count_weights(reduce, (28, 28, 256))),
            Claim("3×3 of 64 maps", "36K", count_weights(conv, (28, 28, 64))),
            Claim("the whole bottleneck", "~70K", count_weights(narrow, (28, 28, 256))),
        ],
    )
