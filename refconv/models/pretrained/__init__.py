"""Trained weights that come with refconv, and networks with the weights of a file."""

from refconv.models.pretrained.network import PACKAGED, trained_network, weights_path

__all__ = ["PACKAGED", "trained_network", "weights_path"]
