"""Diagrams of architectures: volumes for chains, boxes and arrows for blocks, a U for encoder-decoder networks."""

from refconv.drawing.picture import architecture_picture

__all__ = ["architecture_picture"]
