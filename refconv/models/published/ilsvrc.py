"""Numbers of layers of networks in the ImageNet challenge, and the longest paths of ours."""

from refconv.models.alexnet import alexnet
from refconv.models.blocks import IMAGENET
from refconv.models.densenet import densenet
from refconv.models.googlenet import googlenet
from refconv.models.published.claim import Claim, Table, depth
from refconv.models.resnet import resnet
from refconv.models.vgg import vgg
from refconv.models.zfnet import zfnet

HIDDEN = "lecture B counts the hidden layers; its later slides say AlexNet, 8 layers"
BLOCKS = "its printed blocks of 6, 12, 64 and 48 pairs give 2 · 130 + 5 = 265"
GOOGLENET = "the paper and lecture A's Table 1 have 22 layers with parameters"


def tables() -> list[Table]:
    """Return the printed numbers of layers, each beside the longest path of the network."""
    path = {
        "AlexNet": depth(alexnet(), IMAGENET),
        "Clarifai": depth(zfnet(), IMAGENET),
        "GoogLeNet": depth(googlenet(heads=False), IMAGENET),
        **{f"VGG-{c}": depth(vgg(c), IMAGENET) for c in ("D", "E")},
        **{f"ResNet-{d}": depth(resnet(d), IMAGENET) for d in (18, 34, 50, 101, 152)},
        **{f"DenseNet-{d}": depth(densenet(d), IMAGENET) for d in (121, 169, 201, 264)},
    }
    return [
        Table(
            "ILSVRC 2012 to 2015, layers",
            [
                Claim("SuperVision (2012)", "7", path["AlexNet"], HIDDEN),
                Claim("AlexNet (2012), in front of ResNet", "8", path["AlexNet"]),
                Claim("Clarifai (2013)", "7", path["Clarifai"], HIDDEN),
                Claim("VGG (2014)", "16", path["VGG-D"]),
                Claim("VGG (2014), in front of ResNet", "19", path["VGG-E"]),
                Claim("GoogLeNet (2014)", "19", path["GoogLeNet"], GOOGLENET),
                Claim("GoogLeNet (2014), in its paper", "22", path["GoogLeNet"]),
                *(
                    Claim(name, name.partition("-")[2], n, BLOCKS if name == "DenseNet-264" else "")
                    for name, n in path.items()
                    if name.startswith(("ResNet", "DenseNet"))
                ),
            ],
        )
    ]
