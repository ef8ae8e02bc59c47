"""Published figures of AlexNet and of Zeiler and Fergus's network."""

import math

from refconv.models.alexnet import alexnet
from refconv.models.blocks import IMAGENET
from refconv.models.published.claim import Claim, Table, stages
from refconv.models.zfnet import zfnet

ERROR = "an error in the paper: 55·55·96 = 290,400, since its text gives 96 kernels for this layer"

# Caption of Figure 2: numbers of neurons.
NEURONS = {
    "conv1": "253,440",
    "conv2": "186,624",
    "conv3": "64,896",
    "conv4": "64,896",
    "conv5": "43,264",
    "dense6": "4096",
    "dense7": "4096",
    "scores": "1000",
}

ZF_SIZES = {
    "conv1": "110×110×96",
    "pool1": "55×55×96",
    "conv2": "26×26×256",
    "pool2": "13×13×256",
    "conv3": "13×13×384",
    "conv4": "13×13×384",
    "conv5": "13×13×256",
    "pool5": "6×6×256",
    "flatten": "9216",
    "dense6": "4096",
    "dense7": "4096",
}


def tables() -> list[Table]:
    """Return the tables of published figures with our counts."""
    two, one = alexnet(), alexnet("single-tower")
    at, zf = stages(two, IMAGENET), stages(zfnet(), IMAGENET)
    neurons = {name: math.prod(at[name].output) for name in NEURONS}
    return [
        Table(
            "AlexNet (2012), Figure 2 and the lectures",
            [
                Claim("input", "150,528", math.prod(IMAGENET)),
                *(Claim(f"{n}, neurons", p, neurons[n], ERROR if n == "conv1" else "") for n, p in NEURONS.items()),
                Claim("neurons, total", "~650K", sum(neurons.values())),
                Claim("parameters, lecture B", "60M", two.count_parameters(IMAGENET)),
                Claim("parameters", "61M", two.count_parameters(IMAGENET)),
                Claim("parameters of the two towers, exact", "60,965,224", two.count_parameters(IMAGENET)),
                Claim("parameters, torchvision's alexnet", "61,100,840", one.count_parameters(IMAGENET)),
            ],
        ),
        Table("Zeiler and Fergus (2013), Figure 3", [Claim(f"{n}, size", p, zf[n].output) for n, p in ZF_SIZES.items()]),
    ]
