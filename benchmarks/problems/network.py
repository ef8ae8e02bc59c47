"""Complete networks in inference, with the same layers and weights in each library.

PyTorch's network is created from refconv's model, layer by layer.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

import refconv
from benchmarks import peers
from benchmarks.problem import Problem, normal
from benchmarks.side import Side
from refconv import models, nn
from refconv.geometry import Window

SIDE = 224


@dataclass(frozen=True)
class Network(Problem):
    """Scores of a batch of images, computed by a compiled network."""

    model: str
    images: int
    side: int = SIDE
    dtype: str = "float32"

    def draw(self, work):
        return normal(self.dtype, x=(self.images, self.side, self.side, 3))

    def refconv(self, work, a):
        """Return the side of the compiled network.

        It does not check whether weights have changed, as the other libraries do not.
        """
        plan = refconv.compile_model(built(self.model, self.side), batch_size=self.images, watch=False)
        return Side(lambda: plan(a["x"]))

    def torch(self, work, a, layout):
        import torch

        module = self._module().to(memory_format=getattr(torch, layout.name))
        return self._torch_side(module, layout.image(a["x"]))

    def torch_compiled(self, work, a):
        """Return the side of torch.compile, which may transform the weights because they are frozen."""
        import torch
        import torch._inductor.config

        with torch._inductor.config.patch(freezing=True):
            side = self._torch_side(torch.compile(self._module()), peers.CHANNELS_LAST.image(a["x"]))
            side.run()  # the first call compiles
        return side

    def onnxruntime(self, work, a):
        """Return ONNX Runtime's side of the model that PyTorch exports, or None without PyTorch."""
        if not peers.installed("torch"):
            return None
        model, x, shape = self._onnx(a["x"])
        return peers.onnx_session_side(model, x, shape, lambda scores: scores)

    def openvino(self, work, a):
        """Return OpenVINO's side of the model that PyTorch exports."""
        model, x, _ = self._onnx(a["x"])
        return peers.openvino_side(model, x, lambda scores: scores)

    def _module(self):
        """Return PyTorch's network for inference."""
        return torch_module(built(self.model, self.side), (self.side, self.side, 3)).eval()

    @staticmethod
    def _torch_side(module, x):
        import torch

        def run():
            with torch.inference_mode():
                return module(x)

        return Side(run)

    def _onnx(self, images):
        """Return PyTorch's network as an ONNX file, the images for it and the shape of the scores."""
        import torch

        module, x, written = self._module(), peers.CONTIGUOUS.image(images), io.BytesIO()
        with warnings.catch_warnings():  # the exporter that needs no further packages is deprecated
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (x,), written, dynamo=False)
        return written.getvalue(), x.numpy(), tuple(module(x).shape)

    def flops(self, work, a, results):
        return 2 * self.images * models.create(self.model).multiply_adds((self.side, self.side, 3))

    def bytes(self, work, a, results):
        """Return the number of bytes of the images and the weights, each counted once.

        Activations between layers are not counted, because they can stay in the cache.
        """
        weights = sum(p.value.nbytes for p in built(self.model, self.side).named_parameters().values())
        return a["x"].nbytes + weights

    def small(self):
        return replace(self, images=2, side=96)  # at least the size for the auxiliary heads of GoogLeNet


@cache
def built(name, side):
    """Return the network, with random averages so that no batch normalisation is the identity."""
    model, rng = models.create(name), np.random.default_rng(1)
    model.build((side, side, 3), rng=1)
    for parameter_name, parameter in model.named_parameters().items():
        if parameter_name.endswith((".mean", ".beta")):
            parameter.value[...] = rng.normal(0, 0.1, parameter.value.shape)
        elif parameter_name.endswith((".var", ".gamma")):
            parameter.value[...] = rng.uniform(0.9, 1.1, parameter.value.shape)
    return model


def torch_module(layer, shape):
    """Return a PyTorch module with the weights of a refconv layer, for inputs of this shape."""
    import torch

    kind = type(layer)
    if isinstance(layer, nn.Sequential) or kind in (nn.Sum, nn.Concat):
        inner = [torch_module(child, at) for _, child, at in layer.children(shape)]
        return branches(kind, inner) if kind in (nn.Sum, nn.Concat) else torch.nn.Sequential(*inner)
    if kind is nn.Heads:  # the auxiliary heads are used in training only
        return torch_module(layer.trunk, shape)
    if kind in (nn.Conv2D, nn.DepthwiseConv2D):
        return torch_convolution(layer, shape)
    if kind is nn.ConvTranspose2D:
        return torch_transposed(layer, shape)
    if kind in (nn.MaxPool2D, nn.AvgPool2D):
        return padded_before(torch_pool(layer), layer.window, shape)
    if kind is nn.Dense:
        return filled(torch.nn.Linear(shape[0], layer.units, bias=layer.bias), layer.parameters["w"].value.T, layer)
    if kind is nn.BatchNorm:
        return torch_norm(layer, shape[-1])
    if kind is nn.Crop2D:
        (top, bottom), (left, right) = layer.margin
        return torch.nn.ZeroPad2d((-left, -right, -top, -bottom))
    if kind is nn.PadChannels:
        return torch.nn.ConstantPad3d((0, 0, 0, 0, 0, layer.channels - shape[-1]), 0.0)
    if kind is nn.LocalResponseNorm:
        return torch.nn.LocalResponseNorm(layer.size, layer.alpha * layer.size, layer.beta, layer.k)
    simple = {
        nn.ReLU: lambda: torch.nn.ReLU(inplace=True),
        nn.Identity: torch.nn.Identity,
        nn.Dropout: torch.nn.Identity,
        nn.GlobalAvgPool2D: lambda: torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()),
        nn.Flatten: flatten_channels_last,
    }
    return simple[kind]()


def branches(kind, inner):
    """Return a module that computes the sum or the concatenation of modules."""
    import torch

    class Branches(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.ModuleList(inner)

        def forward(self, x):
            values = [module(x.clone() if starts_in_place(module) else x) for module in self.inner]
            return torch.cat(values, 1) if kind is nn.Concat else sum(values[1:], values[0])

    return Branches()


def starts_in_place(module):
    """Return True if a module begins with a ReLU in place, which would change its input."""
    import torch

    while isinstance(module, torch.nn.Sequential) and len(module):
        module = module[0]
    return isinstance(module, torch.nn.ReLU)


def torch_convolution(layer, shape):
    """Return a PyTorch module with the weights of a convolution or depthwise convolution."""
    import torch

    window, channels = layer.window, shape[-1]
    depthwise = type(layer) is nn.DepthwiseConv2D
    outputs = layer.output_shape(shape)[-1]
    groups = channels if depthwise else layer.groups
    options = dict(stride=window.stride, dilation=window.dilation, groups=groups, bias=layer.bias)
    module = torch.nn.Conv2d(channels, outputs, window.kernel, **options)
    order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
    weights = np.ascontiguousarray(layer.parameters["w"].value.transpose(order)).reshape(module.weight.shape)
    return padded_before(filled(module, weights, layer), window, shape)


def torch_transposed(layer, shape):
    """Return a PyTorch module with the weights of a transposed convolution without padding."""
    import torch

    window = layer.window
    options = dict(stride=window.stride, dilation=window.dilation, groups=layer.groups, bias=layer.bias)
    module = torch.nn.ConvTranspose2d(shape[-1], layer.filters, window.kernel, **options)
    return filled(module, layer.parameters["w"].value.transpose(3, 2, 0, 1), layer)


def torch_pool(layer):
    import torch

    window, kind = layer.window, torch.nn.MaxPool2d if type(layer) is nn.MaxPool2D else torch.nn.AvgPool2d
    more = {"count_include_pad": False} if kind is torch.nn.AvgPool2d else {}
    return kind(window.kernel, window.stride, ceil_mode=window.ceil_mode, **more)


def padded_before(module, window: Window, shape):
    """Return the module with the window's padding.

    Symmetric padding is set in the module itself; otherwise a layer of zeros is put before the module.
    """
    import torch

    (top, bottom), (left, right) = window.pads(shape[:2])
    if (top, left) == (bottom, right):
        module.padding = (top, left)
        return module
    return torch.nn.Sequential(torch.nn.ZeroPad2d((left, right, top, bottom)), module)


def torch_norm(layer, channels):
    import torch

    module = torch.nn.BatchNorm2d(channels, eps=layer.eps)
    names = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}
    with torch.no_grad():
        for theirs, ours in names.items():
            getattr(module, theirs).copy_(torch.from_numpy(layer.parameters[ours].value))
    return module


def filled(module, weights, layer):
    """Copy these weights and the layer's bias into the module, and return it."""
    import torch

    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights)))
        if layer.bias:
            module.bias.copy_(torch.from_numpy(layer.parameters["b"].value))
    return module


def flatten_channels_last():
    """Return a module that flattens images in refconv's order, channels last."""
    import torch

    class Flatten(torch.nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)

    return Flatten()
