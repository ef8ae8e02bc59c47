"""Saving and loading of networks as safetensors files, and exchange with PyTorch and Keras."""

import importlib
from typing import TYPE_CHECKING, Any

from refconv.weights.model import describe_network, load, save
from refconv.weights.parameters import load_weights, save_weights
from refconv.weights.tensors import read_tensors, write_tensors

if TYPE_CHECKING:  # for editors and type checkers; at run time _MODULE_OF lists the same names
    from refconv.weights.keras import from_keras, load_keras_weights, save_keras_weights, to_keras
    from refconv.weights.pytorch import from_torch, to_torch

__all__ = [
    "describe_network",
    "from_keras",
    "from_torch",
    "load",
    "load_keras_weights",
    "load_weights",
    "read_tensors",
    "save",
    "save_keras_weights",
    "save_weights",
    "to_keras",
    "to_torch",
    "write_tensors",
]

# Loading a network does not need the modules for other libraries, whose import takes longer than all others here.
_MODULE_OF = {
    **dict.fromkeys(("from_keras", "load_keras_weights", "save_keras_weights", "to_keras"), "refconv.weights.keras"),
    **dict.fromkeys(("from_torch", "to_torch"), "refconv.weights.pytorch"),
}

if not TYPE_CHECKING:  # with __getattr__, a type checker would not report missing names

    def __getattr__(name: str) -> Any:
        """Import the functions for another library on their first use."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'refconv.weights' has no attribute {name!r}", name=name)
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
