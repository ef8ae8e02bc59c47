"""Names of the layers in torchvision's networks, one short table for each family.

The left side is a name in refconv, the right side the name of torchvision's module. Both are templates::

    {k}          a number or a name, the same on both sides
    {k+1}        the number plus 1: block{n+1} and layer.{n} are block1 and layer.0, block2 and layer.1, …
    {k:bcd}      the k-th of these letters, counted from 0
    {part}       conv and norm in refconv, conv and bn in torchvision
    {position}   position of the layer in the network, counted from 0
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import refconv.nn as nn

__all__ = ["FAMILIES", "current_key", "module_names"]

ALEXNET = {
    "conv{k}": "features.{position}",
    "dense6": "classifier.1",
    "dense7": "classifier.4",
    "scores": "classifier.6",
}

VGG = {
    "conv{b}_{k}": "features.{position}",
    "norm{b}_{k}": "features.{position}",
    "dense6": "classifier.0",
    "dense7": "classifier.3",
    "scores": "classifier.6",
}

GOOGLENET = {
    "conv1.{part}": "conv1.{part}",
    "conv2_reduce.{part}": "conv2.{part}",
    "conv2.{part}": "conv3.{part}",
    "inception{b}.one.{part}": "inception{b}.branch1.{part}",
    "inception{b}.three.reduce.{part}": "inception{b}.branch2.0.{part}",
    "inception{b}.three.conv.{part}": "inception{b}.branch2.1.{part}",
    "inception{b}.five.reduce.{part}": "inception{b}.branch3.0.{part}",
    "inception{b}.five.conv.{part}": "inception{b}.branch3.1.{part}",
    "inception{b}.proj.conv.{part}": "inception{b}.branch4.1.{part}",
    "scores": "fc",
    **{
        f"head_inception{block}.{ours}": f"{head}.{theirs}"
        for block, head in (("4a", "aux1"), ("4d", "aux2"))
        for ours, theirs in (("conv.{part}", "conv.{part}"), ("dense", "fc1"), ("scores", "fc2"))
    },
}

INCEPTION_V3 = {
    "conv1.{part}": "Conv2d_1a_3x3.{part}",
    "conv2.{part}": "Conv2d_2a_3x3.{part}",
    "conv3.{part}": "Conv2d_2b_3x3.{part}",
    "conv4.{part}": "Conv2d_3b_1x1.{part}",
    "conv5.{part}": "Conv2d_4a_3x3.{part}",
    "figure5_{k+1}.one.{part}": "Mixed_5{k:bcd}.branch1x1.{part}",
    "figure5_{k+1}.five.{j}.{part}": "Mixed_5{k:bcd}.branch5x5_{j+1}.{part}",
    "figure5_{k+1}.double.{j}.{part}": "Mixed_5{k:bcd}.branch3x3dbl_{j+1}.{part}",
    "figure5_{k+1}.proj.conv.{part}": "Mixed_5{k:bcd}.branch_pool.{part}",
    "reduction1.three.{part}": "Mixed_6a.branch3x3.{part}",
    "reduction1.double.{j}.{part}": "Mixed_6a.branch3x3dbl_{j+1}.{part}",
    "figure6_{k+1}.one.{part}": "Mixed_6{k:bcde}.branch1x1.{part}",
    "figure6_{k+1}.seven.{j}.{part}": "Mixed_6{k:bcde}.branch7x7_{j+1}.{part}",
    "figure6_{k+1}.double.{j}.{part}": "Mixed_6{k:bcde}.branch7x7dbl_{j+1}.{part}",
    "figure6_{k+1}.proj.conv.{part}": "Mixed_6{k:bcde}.branch_pool.{part}",
    "reduction2.three.{j}.{part}": "Mixed_7a.branch3x3_{j+1}.{part}",
    "reduction2.seven.{j}.{part}": "Mixed_7a.branch7x7x3_{j+1}.{part}",
    "figure7_{k+1}.one.{part}": "Mixed_7{k:bc}.branch1x1.{part}",
    "figure7_{k+1}.three.0.{part}": "Mixed_7{k:bc}.branch3x3_1.{part}",
    "figure7_{k+1}.three.1.{j}.{part}": "Mixed_7{k:bc}.branch3x3_2{j:ab}.{part}",
    "figure7_{k+1}.double.{j}.{part}": "Mixed_7{k:bc}.branch3x3dbl_{j+1}.{part}",
    "figure7_{k+1}.double.2.{j}.{part}": "Mixed_7{k:bc}.branch3x3dbl_3{j:ab}.{part}",
    "figure7_{k+1}.proj.conv.{part}": "Mixed_7{k:bc}.branch_pool.{part}",
    "scores": "fc",
    "head_figure6_4.conv{k+1}.{part}": "AuxLogits.conv{k}.{part}",
    "head_figure6_4.scores": "AuxLogits.fc",
}

RESNET = {
    "conv1.{part}": "{part}1",
    "conv{k+1}_x.block{n+1}.add.shortcut.conv": "layer{k}.{n}.downsample.0",
    "conv{k+1}_x.block{n+1}.add.shortcut.norm": "layer{k}.{n}.downsample.1",
    "scores": "fc",
}

RESNET_BASIC = {
    **RESNET,
    "conv{k+1}_x.block{n+1}.add.main.first.{part}": "layer{k}.{n}.{part}1",
    "conv{k+1}_x.block{n+1}.add.main.second": "layer{k}.{n}.conv2",
    "conv{k+1}_x.block{n+1}.add.main.norm": "layer{k}.{n}.bn2",
}

RESNET_BOTTLENECK = {
    **RESNET,
    "conv{k+1}_x.block{n+1}.add.main.reduce.{part}": "layer{k}.{n}.{part}1",
    "conv{k+1}_x.block{n+1}.add.main.conv.{part}": "layer{k}.{n}.{part}2",
    "conv{k+1}_x.block{n+1}.add.main.expand": "layer{k}.{n}.conv3",
    "conv{k+1}_x.block{n+1}.add.main.norm": "layer{k}.{n}.bn3",
}

DENSENET = {
    "conv1": "features.conv0",
    "norm1": "features.norm0",
    "dense{b}.layer{n}.new.norm1": "features.denseblock{b}.denselayer{n}.norm1",
    "dense{b}.layer{n}.new.squeeze": "features.denseblock{b}.denselayer{n}.conv1",
    "dense{b}.layer{n}.new.norm": "features.denseblock{b}.denselayer{n}.norm2",
    "dense{b}.layer{n}.new.conv": "features.denseblock{b}.denselayer{n}.conv2",
    "transition{b}.{layer}": "features.transition{b}.{layer}",
    "norm": "features.norm5",
    "scores": "classifier",
}

FAMILIES = {
    "AlexNet": ALEXNET,
    "VGG": VGG,
    "GoogLeNet": GOOGLENET,
    "Inception-v3": INCEPTION_V3,
    "ResNet (basic blocks)": RESNET_BASIC,
    "ResNet (bottlenecks)": RESNET_BOTTLENECK,
    "DenseNet": DENSENET,
}

FIELD = re.compile(r"\{(\w+?)([+-]\d+)?(?::(\w+))?\}")
PARTS = {"conv": "conv", "norm": "bn"}
OLD_DENSENET = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.(\d)\.")  # torchvision's published files for DenseNet


def module_names(model: nn.Layer, layers: Iterable[str]) -> dict[str, str] | None:
    """Return the names of torchvision's modules for layers; None if no family has all of them.

    >>> model = nn.Sequential(conv1_1=nn.Conv2D(2, 3), relu1_1=nn.ReLU(), conv1_2=nn.Conv2D(2, 3))
    >>> module_names(model, ["conv1_1", "conv1_2"])
    {'conv1_1': 'features.0', 'conv1_2': 'features.2'}
    """
    layers = list(layers)
    for rules in FAMILIES.values():
        names = {layer: _module_name(model, layer, rules) for layer in layers}
        known = {layer: name for layer, name in names.items() if name is not None}
        if known and len(known) == len(layers) == len(set(known.values())):
            return known
    return None


def current_key(key: str) -> str:
    """Return the present form of a key of a state dict.

    torchvision's published files for DenseNet have an older form.

    >>> current_key("features.denseblock1.denselayer2.norm.1.weight")
    'features.denseblock1.denselayer2.norm1.weight'
    """
    return OLD_DENSENET.sub(r"\1\2.", key)


def _module_name(model: nn.Layer, layer: str, rules: Mapping[str, str]) -> str | None:
    """Return the name of torchvision's module for one layer, or None if there is no rule for it."""
    layer = layer.removeprefix("trunk.")  # of a network with auxiliary heads
    for ours, theirs in rules.items():
        if match := re.fullmatch(FIELD.sub(_pattern, ours.replace(".", r"\.")), layer):
            offsets = {name: int(offset or 0) for name, offset, _ in FIELD.findall(ours)}
            fields: dict[str, int | str] = {
                name: int(text) - offsets[name] if text.isdigit() else text for name, text in match.groupdict().items()
            }
            if "{position}" in theirs:
                fields["position"] = [name for name, _ in model.named_layers()].index(layer)
            return _fill(theirs, fields)
    return None


def _pattern(field: re.Match[str]) -> str:
    return rf"(?P<{field[1]}>{'|'.join(PARTS) if field[1] == 'part' else '[a-z0-9]+'})"


def _fill(template: str, fields: Mapping[str, int | str]) -> str | None:
    """Return a name in torchvision, or None if a number has no letter."""

    def text(field: re.Match[str]) -> str:
        name, offset, letters = field.groups()
        value = fields[name]
        if isinstance(value, str):
            return PARTS[value] if name == "part" else value
        return letters[value] if letters else str(value + int(offset or 0))

    try:
        return FIELD.sub(text, template)
    except IndexError:
        return None
