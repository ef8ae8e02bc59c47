"""Published figures of U-Net, from its Figure 1."""

from refconv.models.published.claim import Claim, Table
from refconv.models.unet import unet

INPUT_SHAPE = (572, 572, 1)

# Figure 1, level by level: output size of the two convolutions of the encoder, cropped size, and output size in the decoder.
DOWN = ("568×568×64", "280×280×128", "136×136×256", "64×64×512", "28×28×1024")
CROPPED = ("392×392×64", "200×200×128", "104×104×256", "56×56×512")
UP = ("388×388×64", "196×196×128", "100×100×256", "52×52×512")


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    shapes = {name: layer.output_shape(at) for name, layer, at in unet().distinct_layers(INPUT_SHAPE)}
    inside = ["u" + ".join.below.u" * level for level in range(5)]
    return [
        Table(
            "U-Net, Figure 1: sizes, from the top left to the top right",
            [
                *(Claim(f"level {k + 1}, down", p, shapes[f"{inside[k]}.down"]) for k, p in enumerate(DOWN[:4])),
                Claim("level 5", DOWN[4], shapes[f"{inside[4]}.convs"]),
                *(Claim(f"level {k + 1}, cropped", p, shapes[f"{inside[k]}.join.across"]) for k, p in enumerate(CROPPED)),
                *(Claim(f"level {k + 1}, up", p, shapes[f"{inside[k]}.up"]) for k, p in enumerate(UP)),
                Claim("scores", "388×388×2", unet().output_shape(INPUT_SHAPE)),
                Claim("convolutional layers", "23", _convolutions()),
            ],
        )
    ]


def _convolutions() -> int:
    """Count the layers with a kernel, including the transposed convolutions."""
    layers = unet().distinct_layers(INPUT_SHAPE)
    return sum("w" in layer.specs(at) for _, layer, at in layers)
