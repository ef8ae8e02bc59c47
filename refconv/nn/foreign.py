"""Hints for users of PyTorch and Keras: errors that suggest refconv's name for a feature."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

__all__ = ["Hints", "missing_name"]

# Names in lower case, without "1d", "2d" or "3d" at the end.
LAYERS = {
    "linear": "Dense",
    "batchnorm": "BatchNorm",
    "batchnormalization": "BatchNorm",
    "layernormalization": "LayerNorm",
    "groupnormalization": "GroupNorm",
    "instancenorm": "InstanceNorm",
    "instancenormalization": "InstanceNorm",
    "maxpooling": "MaxPool",
    "averagepooling": "AvgPool",
    "globalaveragepooling": "GlobalAvgPool",
    "globalmaxpooling": "GlobalMaxPool",
    "adaptiveavgpool": "AdaptiveAvgPool2D",
    "adaptivemaxpool": "GlobalMaxPool",
    "convtranspose": "ConvTranspose",
    "upsampling": "Upsample2D",
    "upsample": "Upsample2D",
    "zeropadding": "Pad2D",
    "zeropad": "Pad2D",
    "cropping": "Crop2D",
    "add": "Sum",
    "average": "Mean",
    "concatenate": "Concat",
    "lambda": "Layer",
    "model": "Layer",
    "module": "Layer",
}
DIMENSIONS = ("1d", "2d", "3d")

NAMED = "use model.named_parameters(), a dict"
NO_MODE = "layers have no mode: model(x) is inference, and model.forward(x, train=True) is training"
CPU = "leave it out: refconv computes on the CPU"
ATTRIBUTES = {
    "fit": "use training.fit(model, batches, optimizer, epochs=…)",
    "evaluate": "use training.evaluate(model, batches)",
    "predict": "use training.predict(model, x) for classes, or model(x) for scores",
    "compile": "pass the optimizer and the loss to training.fit",
    "train": NO_MODE,
    "eval": NO_MODE,
    "state_dict": "use weights.to_torch(model), or model.save_weights(path)",
    "load_state_dict": "use weights.from_torch(model, state_dict), or model.load_weights(path)",
    "weights": NAMED,
    "get_weights": NAMED,
    "trainable_variables": NAMED,
    "add": "pass all layers to the constructor, as in nn.Sequential(a, b)",
    "append": "pass all layers to the constructor, as in nn.Sequential(a, b)",
    "trainable": "use model.freeze() and model.unfreeze()",
    "requires_grad_": "use model.freeze() and model.unfreeze()",
    "to": CPU,
    "cuda": CPU,
    "cpu": CPU,
}


class Hints:
    """Mixin of :class:`Layer` whose errors for missing attributes suggest a replacement.

    >>> from refconv import nn
    >>> nn.Sequential(conv=nn.Conv2D(6, 5)).fit
    Traceback (most recent call last):
    AttributeError: Sequential has no attribute fit: use training.fit(model, batches, optimizer, epochs=…)
    """

    if not TYPE_CHECKING:  # a type checker reports missing attributes itself

        def __getattr__(self, name: str) -> Any:  # called after the normal lookup has failed
            try:
                return object.__getattribute__(self, name)  # raises the original error, which may come from a property
            except AttributeError:
                layers: Mapping[str, Any] = vars(self).get("layers", {})
                hint = f'use model["{name}"]' if name in layers else ATTRIBUTES.get(name)
                if hint is None or name in dir(type(self)):
                    raise
            raise AttributeError(f"{type(self).__name__} has no attribute {name}: {hint}", name=name, obj=self)


def missing_name(name: str, known: Collection[str]) -> AttributeError:
    """Return the error for a name that :mod:`refconv.nn` does not define.

    >>> missing_name("MaxPooling1D", ["MaxPool1D", "MaxPool2D"])
    AttributeError("module 'refconv.nn' has no attribute 'MaxPooling1D': use nn.MaxPool1D")
    """
    plain = name.lower().replace("conv2dtranspose", "convtranspose2d").replace("conv1dtranspose", "convtranspose1d")
    dimension = plain[-2:] if plain.endswith(DIMENSIONS) else ""
    refconv_name = LAYERS.get(plain.removesuffix(dimension), plain.removesuffix(dimension))
    lower = {other.lower(): other for other in known}
    use = lower.get(refconv_name.lower() + dimension) or lower.get(refconv_name.lower())
    hint = f": use nn.{use}" if use else ""
    return AttributeError(f"module 'refconv.nn' has no attribute {name!r}{hint}", name=name, obj=sys.modules["refconv.nn"])
