"""Saving and loading of networks as safetensors files, and weights of PyTorch."""

from refconv.weights.model import describe_network, load, save
from refconv.weights.parameters import load_weights, save_weights
from refconv.weights.pytorch import from_torch, to_torch
from refconv.weights.tensors import read_tensors, write_tensors

__all__ = [
    "describe_network",
    "from_torch",
    "load",
    "load_weights",
    "read_tensors",
    "save",
    "save_weights",
    "to_torch",
    "write_tensors",
]
