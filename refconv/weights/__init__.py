"""Saving and loading of networks as safetensors files."""

from refconv.weights.model import describe_network, load, save
from refconv.weights.parameters import load_weights, save_weights
from refconv.weights.tensors import read_tensors, write_tensors

__all__ = ["describe_network", "load", "load_weights", "read_tensors", "save", "save_weights", "write_tensors"]
