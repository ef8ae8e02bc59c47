"""Architectures as pictures: volumes for chains, boxes and arrows for blocks, a U for what goes down and up again."""

from refconv.drawing.picture import architecture_picture

__all__ = ["architecture_picture"]
