"""Where an example's shape has its size and where its channels."""

__all__ = ["join", "split"]


def split(layer, shape):
    """``(size, channels)`` of one image or signal that reaches a spatial layer.

    >>> from refconv.nn.conv import Conv2D
    >>> split(Conv2D(2, 3, data_format="channels_first"), (6, 14, 15))
    ((14, 15), 6)
    """
    if len(shape) != layer.ndim + 1:
        kind = {1: "signal, (length, channels)", 2: "image, (height, width, channels)"}[layer.ndim]
        raise ValueError(f"{layer!r} takes an input of {layer.ndim + 1} axes, one {kind}, but got shape {tuple(shape)}")
    if layer.data_format == "channels_last":
        return tuple(shape[:-1]), shape[-1]
    return tuple(shape[1:]), shape[0]


def join(size, channels, data_format):
    """The way back: a shape from size and channels."""
    return (*size, channels) if data_format == "channels_last" else (channels, *size)
