"""What max and average pooling layers share: their window, or that it is the whole input, and their shapes."""

from refconv._arguments import known_format, per_axis
from refconv.geometry import Window
from refconv.nn.layer import Layer, join_shape, split_shape

__all__ = ["GlobalPool", "Pool"]


class Pool(Layer):
    ndim: int

    def __init__(self, window, *, stride=None, padding="valid", dilation=1, ceil_mode=False, data_format="channels_last"):
        kernel = per_axis("window", window, self.ndim)
        self.window = Window(kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
        self.data_format = known_format(data_format)
        self.arguments = {
            "stride": self.window.stride,
            "padding": self.window.padding,
            "ceil_mode": ceil_mode,
            "data_format": data_format,
        }

    def output_shape(self, shape):
        size, channels = split_shape(self, shape)
        return join_shape(self.window.pooled_size(size), channels, self.data_format)

    def __repr__(self):
        kernel, stride = ("×".join(map(str, axes)) for axes in (self.window.kernel, self.window.stride))
        differs = [f"stride {stride}"] if stride != kernel else []
        differs += [f"padding {self.window.padding}"] if self.window.padding != "valid" else []
        differs += [f"dilation {'×'.join(map(str, self.window.dilation))}"] if set(self.window.dilation) != {1} else []
        differs += ["ceil mode"] if self.window.ceil_mode else []
        return ", ".join([f"{type(self).__name__}({kernel}", *differs]) + ")"


class GlobalPool(Layer):
    ndim: int

    def __init__(self, *, data_format="channels_last"):
        self.data_format = known_format(data_format)

    def output_shape(self, shape):
        size, channels = split_shape(self, shape)
        per_axis("input_size", size, self.ndim)
        return (channels,)
