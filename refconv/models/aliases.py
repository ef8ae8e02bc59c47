"""Aliases: names of architectures in other libraries and papers, looked up in any spelling."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from refconv._errors import ArgumentValueError, suggestion

__all__ = ["ALIASES", "ELSEWHERE", "find_name", "plain"]

# Names in torchvision and Keras, and in papers that use the architecture under another name.
ALIASES = {
    "lenet5": "lenet",
    "vgg11": "vgg-a",
    "vgg11-lrn": "vgg-a-lrn",
    "vgg13": "vgg-b",
    "vgg16": "vgg-d",
    "vgg19": "vgg-e",
    "vgg11-bn": "vgg-a-bn",
    "vgg13-bn": "vgg-b-bn",
    "vgg16-bn": "vgg-d-bn",
    "vgg19-bn": "vgg-e-bn",
    "network-in-network": "nin",
    "inception-v1": "googlenet",
    "inception-v2": "bn-inception",
    "inception-bn": "bn-inception",
    "resnext50-32x4d": "resnext50",
    "resnext101-32x4d": "resnext101",
    "wide-resnet16-8": "wrn-16-8",
    "wide-resnet28-10": "wrn-28-10",
    "wide-resnet50-2": "wrn-50-2",
    "wide-resnet101-2": "wrn-101-2",
    "densenet100-bc": "densenet-bc100",
    "mobilenet-v1": "mobilenet",
}

# Networks of other libraries that the lectures do not cover, and the closest alternative.
ELSEWHERE = {
    **dict.fromkeys(
        ("resnet50-v2", "resnet101-v2", "resnet152-v2", "mobilenet-v2", "mobilenet-v3", "efficientnet", "vit", "squeezenet"),
        "the lectures do not cover this architecture",
    ),
}


def plain(name: str) -> str:
    """Return a name in lower case without "-" and "_", which do not distinguish architectures.

    >>> plain("Wide_ResNet50-2")
    'wideresnet502'
    """
    return name.lower().replace("-", "").replace("_", "")


def find_name(name: str, known: Iterable[str]) -> str:
    """Return the known name for a name in any spelling, or for an alias.

    ``ValueError`` is raised if there is none; its message suggests similar names.

    >>> find_name("VGG_16", ["vgg-a", "vgg-d"])
    'vgg-d'
    """
    known = list(known)
    names = {plain(alias): target for alias, target in ALIASES.items()} | {plain(one): one for one in known}
    if isinstance(name, str) and names.get(plain(name)) in known:
        return names[plain(name)]
    message = f"name must be one of the {len(known)} names in models.names(), or an alias such as vgg16, got {name!r}"
    if not isinstance(name, str):
        raise ArgumentValueError(message)
    reasons = {plain(other): reason for other, reason in ELSEWHERE.items()}
    raise ArgumentValueError(
        message + (f": {reasons[plain(name)]}" if plain(name) in reasons else _did_you_mean(name, names, known))
    )


def _did_you_mean(name: str, names: dict[str, str], known: Iterable[str]) -> str:
    """Return "; did you mean …?" with up to three similar names, or "" if there is none.

    If names begin with the given one, only these are suggested. An architecture with several similar names is suggested once,
    by the first of them.
    """
    plain_name = plain(name)
    continuations = [candidate for candidate in names if plain_name and candidate.startswith(plain_name)]
    spelling = {plain(one): one for one in (*ALIASES, *known)}
    similar: dict[str, str] = {}
    for candidate in continuations or difflib.get_close_matches(plain_name, names, n=5, cutoff=0.8):
        similar.setdefault(names[candidate], spelling[candidate])
    return suggestion(similar.values())
