"""Trained weights that come with refconv."""

from refconv.models.pretrained.packaged import PACKAGED, weights_path

__all__ = ["PACKAGED", "weights_path"]
