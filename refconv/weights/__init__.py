"""Saving and loading of networks as safetensors files, and exchange with PyTorch and Keras."""

from refconv.weights.keras import from_keras, load_keras_weights, save_keras_weights, to_keras
from refconv.weights.model import describe_network, load, save
from refconv.weights.parameters import load_weights, save_weights
from refconv.weights.pytorch import from_torch, to_torch
from refconv.weights.tensors import read_tensors, write_tensors

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
