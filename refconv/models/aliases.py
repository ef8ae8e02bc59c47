"""Names of architectures in other libraries and papers, and how a name is looked up whatever its spelling."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from refconv._errors import ArgumentValueError, suggestion

__all__ = ["ALIASES", "ELSEWHERE", "find_name", "plain"]

# torchvision's and Keras' names, and those of papers that use the architecture under another one.
ALIASES = {
    "lenet5": "lenet",
    "vgg11": "vgg-a",
    "vgg11-lrn": "vgg-a-lrn",
    "vgg13": "vgg-b",
    "vgg16": "vgg-d",
    "vgg19": "vgg-e",
    "network-in-network": "nin",
    "inception-v1": "googlenet",
    "inception-v2": "bn-inception",
    "inception-bn": "bn-inception",
    "resnext50-32x4d": "resnext50",
    "resnext101-32x4d": "resnext101",
    "wide-resnet16-8": "wrn-16-8",
    "wide-resnet28-10": "wrn-28-10",
    "wide-resnet50-2": "wrn-50-2",
    "densenet100-bc": "densenet-bc100",
    "mobilenet-v1": "mobilenet",
}

# Networks of other libraries that are not among the lectures', and what comes closest.
ELSEWHERE = {
    **dict.fromkeys(
        ("vgg11-bn", "vgg13-bn", "vgg16-bn", "vgg19-bn"),
        "the paper's VGG has no batch normalisation; vgg11, vgg13, vgg16 and vgg19 are without it",
    ),
    "resnext101-32x8d": "the paper's ResNeXt-101 is 32×4d; write models.create('resnext101', group_width=8) for 32×8d",
    "resnext101-64x4d": "the paper's ResNeXt-101 is 32×4d; write models.create('resnext101', cardinality=64, group_width=4)",
    "wide-resnet101-2": "the paper has no wide ResNet-101; write models.create('resnet101', inner=2, stride_in='3x3')",
    **dict.fromkeys(
        ("resnet50-v2", "resnet101-v2", "resnet152-v2", "mobilenet-v2", "mobilenet-v3", "efficientnet", "vit", "squeezenet"),
        "the lectures do not treat this architecture",
    ),
}


def plain(name: str) -> str:
    """Return a name without case, "-" and "_", which do not distinguish architectures.

    >>> plain("Wide_ResNet50-2")
    'wideresnet502'
    """
    return name.lower().replace("-", "").replace("_", "")


def find_name(name: str, known: Iterable[str]) -> str:
    """Return the known name that a name or an alias stands for.

    Raises ``ValueError`` if there is none; the message suggests similar names.

    >>> find_name("VGG_16", ["vgg-a", "vgg-d"])
    'vgg-d'
    """
    known = list(known)
    names = {plain(alias): meant for alias, meant in ALIASES.items()} | {plain(one): one for one in known}
    if isinstance(name, str) and names.get(plain(name)) in known:
        return names[plain(name)]
    refusal = f"name must be one of the {len(known)} names in models.names(), or an alias such as vgg16, got {name!r}"
    if not isinstance(name, str):
        raise ArgumentValueError(refusal)
    reasons = {plain(other): reason for other, reason in ELSEWHERE.items()}
    raise ArgumentValueError(
        refusal + (f": {reasons[plain(name)]}" if plain(name) in reasons else _did_you_mean(name, names, known))
    )


def _did_you_mean(name: str, names: dict[str, str], known: Iterable[str]) -> str:
    """Return "; did you mean …?" with up to three names that begin like it or are similar, or "" if none does.

    Each architecture is called by that of its names which is similar.
    """
    written = plain(name)
    beginning = [form for form in names if written and form.startswith(written)]
    shown = {plain(one): one for one in (*ALIASES, *known)}
    similar: dict[str, str] = {}
    for form in beginning or difflib.get_close_matches(written, names, n=5, cutoff=0.8):
        similar.setdefault(names[form], shown[form])
    return suggestion(similar.values())
