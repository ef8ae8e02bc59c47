"""Diagrams of architectures and plots of training runs, as bytes of PNG or SVG files."""

from refconv.drawing.contact import contact_sheet
from refconv.drawing.picture import architecture_picture
from refconv.drawing.training import confusion_picture, lr_range_picture, training_picture

__all__ = ["architecture_picture", "confusion_picture", "contact_sheet", "lr_range_picture", "training_picture"]
