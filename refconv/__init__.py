"""Convolutional networks as readable loops and fast kernels, with tests that the two agree.

>>> import refconv
>>> refconv.cross_correlate1d([1, 2, 3, 4, 5, 6], [1, 2, 3], "valid")
array([14., 20., 26., 32.])

``refconv.reference`` contains the loops, with one module for each family of operators. The operators in ``refconv`` run on the
kernels, or in NumPy if the kernels were not built. Inside ``with refconv.config(engine="reference"):`` they run on the loops.
"""

import importlib
import sys
import threading
from typing import TYPE_CHECKING, Any

from refconv import reference
from refconv._config import config, get_config, keep_freed_memory, set_config
from refconv._errors import ArgumentError, ArgumentTypeError, ArgumentValueError
from refconv._version import __version__

if TYPE_CHECKING:  # for editors and type checkers; at run time _PUBLIC_NAMES lists the same names
    from refconv import analysis, data, drawing, geometry, inference, models, nn, onnx, ops, optim, training, weights
    from refconv.analysis.summary import summary
    from refconv.geometry import Window, receptive_field
    from refconv.inference.plan import compile_model
    from refconv.ops.activation import (
        elu,
        elu_dx,
        leaky_relu,
        leaky_relu_dx,
        relu,
        relu6,
        relu6_dx,
        relu_dx,
        sigmoid,
        sigmoid_dx,
        tanh,
        tanh_dx,
    )
    from refconv.ops.avg_pool import (
        avg_pool1d,
        avg_pool1d_dx,
        avg_pool2d,
        avg_pool2d_dx,
        global_avg_pool1d,
        global_avg_pool1d_dx,
        global_avg_pool2d,
        global_avg_pool2d_dx,
    )
    from refconv.ops.conv import conv1d, conv1d_db, conv1d_dw, conv1d_dx, conv2d, conv2d_db, conv2d_dw, conv2d_dx
    from refconv.ops.conv_transpose import (
        conv_transpose1d,
        conv_transpose1d_db,
        conv_transpose1d_dw,
        conv_transpose1d_dx,
        conv_transpose2d,
        conv_transpose2d_db,
        conv_transpose2d_dw,
        conv_transpose2d_dx,
    )
    from refconv.ops.convolve import (
        convolve1d,
        convolve2d,
        cross_correlate1d,
        cross_correlate2d,
        fft_convolve1d,
        fft_convolve2d,
    )
    from refconv.ops.dense import dense, dense_db, dense_dw, dense_dx
    from refconv.ops.dropout import dropout, dropout_dx
    from refconv.ops.group_norm import group_norm, group_norm_grads, instance_norm, layer_norm
    from refconv.ops.loss import (
        binary_cross_entropy,
        log_softmax,
        log_softmax_dx,
        mean_squared_error,
        softmax,
        softmax_cross_entropy,
        softmax_dx,
    )
    from refconv.ops.matrix import col2im, im2col, toeplitz1d, toeplitz2d, zero_stuff
    from refconv.ops.max_pool import (
        max_pool1d,
        max_pool1d_dx,
        max_pool1d_with_argmax,
        max_pool2d,
        max_pool2d_dx,
        max_pool2d_with_argmax,
    )
    from refconv.ops.norm import batch_norm, batch_norm_grads, batch_norm_inference, batch_norm_inference_grads
    from refconv.ops.p4_conv import (
        p4_conv2d,
        p4_conv2d_db,
        p4_conv2d_dw,
        p4_conv2d_dx,
        p4_lift_conv2d,
        p4_lift_conv2d_dw,
        p4_lift_conv2d_dx,
    )
    from refconv.ops.resize import adaptive_avg_pool2d, adaptive_avg_pool2d_dx, pad, pad_dx, upsample2d, upsample2d_dx
    from refconv.ops.response_norm import local_response_norm, local_response_norm_dx
    from refconv.ops.separable import (
        depthwise_conv2d,
        depthwise_conv2d_db,
        depthwise_conv2d_dw,
        depthwise_conv2d_dx,
        separable_conv2d,
        separable_conv2d_grads,
        separate_rank1,
    )
    from refconv.weights.model import load

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "ArgumentValueError",
    "Window",
    "__version__",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_dx",
    "analysis",
    "avg_pool1d",
    "avg_pool1d_dx",
    "avg_pool2d",
    "avg_pool2d_dx",
    "batch_norm",
    "batch_norm_grads",
    "batch_norm_inference",
    "batch_norm_inference_grads",
    "binary_cross_entropy",
    "col2im",
    "compile_model",
    "config",
    "conv1d",
    "conv1d_db",
    "conv1d_dw",
    "conv1d_dx",
    "conv2d",
    "conv2d_db",
    "conv2d_dw",
    "conv2d_dx",
    "conv_transpose1d",
    "conv_transpose1d_db",
    "conv_transpose1d_dw",
    "conv_transpose1d_dx",
    "conv_transpose2d",
    "conv_transpose2d_db",
    "conv_transpose2d_dw",
    "conv_transpose2d_dx",
    "convolve1d",
    "convolve2d",
    "cross_correlate1d",
    "cross_correlate2d",
    "data",
    "dense",
    "dense_db",
    "dense_dw",
    "dense_dx",
    "depthwise_conv2d",
    "depthwise_conv2d_db",
    "depthwise_conv2d_dw",
    "depthwise_conv2d_dx",
    "drawing",
    "dropout",
    "dropout_dx",
    "elu",
    "elu_dx",
    "fft_convolve1d",
    "fft_convolve2d",
    "geometry",
    "get_config",
    "global_avg_pool1d",
    "global_avg_pool1d_dx",
    "global_avg_pool2d",
    "global_avg_pool2d_dx",
    "group_norm",
    "group_norm_grads",
    "im2col",
    "inference",
    "instance_norm",
    "keep_freed_memory",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_dx",
    "load",
    "local_response_norm",
    "local_response_norm_dx",
    "log_softmax",
    "log_softmax_dx",
    "max_pool1d",
    "max_pool1d_dx",
    "max_pool1d_with_argmax",
    "max_pool2d",
    "max_pool2d_dx",
    "max_pool2d_with_argmax",
    "mean_squared_error",
    "models",
    "nn",
    "onnx",
    "ops",
    "optim",
    "p4_conv2d",
    "p4_conv2d_db",
    "p4_conv2d_dw",
    "p4_conv2d_dx",
    "p4_lift_conv2d",
    "p4_lift_conv2d_dw",
    "p4_lift_conv2d_dx",
    "pad",
    "pad_dx",
    "receptive_field",
    "reference",
    "relu",
    "relu6",
    "relu6_dx",
    "relu_dx",
    "separable_conv2d",
    "separable_conv2d_grads",
    "separate_rank1",
    "set_config",
    "sigmoid",
    "sigmoid_dx",
    "softmax",
    "softmax_cross_entropy",
    "softmax_dx",
    "summary",
    "tanh",
    "tanh_dx",
    "toeplitz1d",
    "toeplitz2d",
    "training",
    "upsample2d",
    "upsample2d_dx",
    "weights",
    "zero_stuff",
]

# Maps each module to the public names that are imported from it on first use. Importing all modules takes longer than
# importing NumPy, and a program that calls one operator needs only one of them.
_PUBLIC_NAMES = {
    "analysis.summary": "summary",
    "geometry": "Window receptive_field",
    "inference.plan": "compile_model",
    "ops.activation": "elu elu_dx leaky_relu leaky_relu_dx relu relu6 relu6_dx relu_dx sigmoid sigmoid_dx tanh tanh_dx",
    "ops.avg_pool": (
        "avg_pool1d avg_pool1d_dx avg_pool2d avg_pool2d_dx global_avg_pool1d global_avg_pool1d_dx global_avg_pool2d "
        "global_avg_pool2d_dx"
    ),
    "ops.conv": "conv1d conv1d_db conv1d_dw conv1d_dx conv2d conv2d_db conv2d_dw conv2d_dx",
    "ops.conv_transpose": (
        "conv_transpose1d conv_transpose1d_db conv_transpose1d_dw conv_transpose1d_dx conv_transpose2d "
        "conv_transpose2d_db conv_transpose2d_dw conv_transpose2d_dx"
    ),
    "ops.convolve": "convolve1d convolve2d cross_correlate1d cross_correlate2d fft_convolve1d fft_convolve2d",
    "ops.dense": "dense dense_db dense_dw dense_dx",
    "ops.dropout": "dropout dropout_dx",
    "ops.group_norm": "group_norm group_norm_grads instance_norm layer_norm",
    "ops.loss": "binary_cross_entropy log_softmax log_softmax_dx mean_squared_error softmax softmax_cross_entropy softmax_dx",
    "ops.matrix": "col2im im2col toeplitz1d toeplitz2d zero_stuff",
    "ops.max_pool": "max_pool1d max_pool1d_dx max_pool1d_with_argmax max_pool2d max_pool2d_dx max_pool2d_with_argmax",
    "ops.norm": "batch_norm batch_norm_grads batch_norm_inference batch_norm_inference_grads",
    "ops.p4_conv": ("p4_conv2d p4_conv2d_db p4_conv2d_dw p4_conv2d_dx p4_lift_conv2d p4_lift_conv2d_dw p4_lift_conv2d_dx"),
    "ops.resize": "adaptive_avg_pool2d adaptive_avg_pool2d_dx pad pad_dx upsample2d upsample2d_dx",
    "ops.response_norm": "local_response_norm local_response_norm_dx",
    "ops.separable": (
        "depthwise_conv2d depthwise_conv2d_db depthwise_conv2d_dw depthwise_conv2d_dx separable_conv2d "
        "separable_conv2d_grads separate_rank1"
    ),
    "weights.model": "load",
}
_SUBMODULES = (
    "analysis",
    "data",
    "drawing",
    "geometry",
    "inference",
    "models",
    "nn",
    "onnx",
    "ops",
    "optim",
    "training",
    "weights",
)
_MODULE_OF = {name: f"refconv.{name}" for name in _SUBMODULES}
_MODULE_OF |= {name: f"refconv.{module}" for module, names in _PUBLIC_NAMES.items() for name in names.split()}

# Without a lock, two threads that import submodules at the same time may see partially imported modules.
_import_lock = threading.RLock()


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562)."""
    if name not in _MODULE_OF:
        # verify is not imported on first use: it imports nearly all other packages, which must not import it.
        hint = ": write `from refconv import verify`" if name == "verify" else ""
        raise AttributeError(f"module 'refconv' has no attribute {name!r}{hint}", name=name, obj=sys.modules[__name__])
    with _import_lock:
        module = importlib.import_module(_MODULE_OF[name])
    value = globals()[name] = module if name in _SUBMODULES else getattr(module, name)
    return value


def __dir__() -> list[str]:
    """Return the names of this module, including public names that are not imported yet."""
    return sorted({*globals(), *__all__})
