"""Conventions as literal tables that can be checked by hand.

Each row describes a window along one axis. Its columns are the ``size`` of the input, the size ``k`` of the kernel, the stride
``S`` and the dilation ``D``; then the padding before and after the input, in elements, and the number of outputs. The kernel
spans (k − 1)·D + 1 elements. If a convention allows it, its rows include odd and even totals of padding, strides above 1,
dilation, and kernels larger than the input.

Sources: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016 (sizes); TensorFlow's "SAME", ONNX's
SAME_UPPER and SAME_LOWER ("same", "same_lower"); ``scipy.signal.convolve`` (modes); PyTorch (``ceil_mode``,
``output_padding``, ``count_include_pad``, ``label_smoothing``).
"""

__all__ = ["FRAMES", "INFERRED", "MODES", "POOLS", "RESPONSES", "SMOOTHED", "STUFFED", "TRANSPOSED", "UPSAMPLED", "WINDOWS"]

# padding: rows (size, k, S, D, before, after, outputs)
WINDOWS = {
    "valid": (
        (5, 3, 1, 1, 0, 0, 3),
        (8, 3, 2, 1, 0, 0, 3),  # the last element is not read
        (9, 3, 2, 2, 0, 0, 3),
        (4, 4, 3, 1, 0, 0, 1),
    ),
    "same": (
        (5, 2, 1, 1, 0, 1, 5),
        (6, 3, 1, 1, 1, 1, 6),
        (6, 3, 2, 1, 0, 1, 3),  # stride 1 would pad (1, 1)
        (5, 3, 2, 1, 1, 1, 3),
        (4, 3, 2, 2, 1, 2, 2),
        (7, 2, 3, 1, 0, 1, 3),
        (5, 2, 1, 3, 1, 2, 5),
        (4, 2, 4, 1, 0, 0, 1),  # the stride skips elements, so there is no padding
        (3, 6, 1, 1, 2, 3, 3),
        (2, 5, 1, 1, 2, 2, 2),
        (1, 4, 2, 1, 1, 2, 1),
    ),
    "same_lower": (
        (5, 2, 1, 1, 1, 0, 5),
        (6, 3, 1, 1, 1, 1, 6),
        (6, 3, 2, 1, 1, 0, 3),
        (4, 3, 2, 2, 2, 1, 2),
        (7, 2, 3, 1, 1, 0, 3),
        (3, 6, 1, 1, 3, 2, 3),
        (1, 4, 2, 1, 2, 1, 1),
    ),
    "full": (
        (4, 3, 1, 1, 2, 2, 6),
        (5, 2, 2, 1, 1, 1, 3),
        (3, 3, 1, 2, 4, 4, 7),
        (5, 2, 3, 2, 2, 2, 3),
        (2, 5, 1, 1, 4, 4, 6),
    ),
    "numbers": (
        (5, 3, 1, 1, 2, 1, 6),
        (6, 3, 2, 1, 1, 2, 4),
        (4, 2, 3, 2, 0, 3, 2),
        (3, 5, 2, 1, 3, 1, 2),
    ),
}

# (padding, ceil_mode): rows (size, k, S, D, before, after, outputs, divisors, divisors with count_include_pad). Each window
# contains at least one element of the input.
POOLS = {
    ("valid", False): (
        (5, 3, 2, 1, 0, 0, 2, (3, 3), (3, 3)),
        (6, 2, 4, 1, 0, 0, 2, (2, 2), (2, 2)),
        (7, 3, 2, 2, 0, 0, 2, (3, 3), (3, 3)),
    ),
    ("same", False): (
        (5, 2, 1, 1, 0, 1, 5, (2, 2, 2, 2, 1), (2, 2, 2, 2, 2)),
        (6, 3, 2, 1, 0, 1, 3, (3, 3, 2), (3, 3, 3)),
        (5, 3, 2, 1, 1, 1, 3, (2, 3, 2), (3, 3, 3)),
        (7, 4, 3, 1, 1, 2, 3, (3, 4, 2), (4, 4, 4)),
        (3, 4, 1, 1, 1, 2, 3, (3, 3, 2), (4, 4, 4)),
        (5, 2, 1, 3, 1, 2, 5, (1, 2, 2, 1, 1), (2, 2, 2, 2, 2)),
    ),
    ("same_lower", False): (
        (5, 2, 1, 1, 1, 0, 5, (1, 2, 2, 2, 2), (2, 2, 2, 2, 2)),
        (6, 3, 2, 1, 1, 0, 3, (2, 3, 3), (3, 3, 3)),
        (7, 4, 3, 1, 2, 1, 3, (2, 4, 3), (4, 4, 4)),
    ),
    ("full", False): (
        (4, 3, 1, 1, 2, 2, 6, (1, 2, 3, 3, 2, 1), (3, 3, 3, 3, 3, 3)),
        (5, 2, 2, 1, 1, 1, 3, (1, 2, 2), (2, 2, 2)),
        (2, 4, 3, 1, 3, 3, 2, (1, 2), (4, 4)),
    ),
    ("numbers", False): (
        (6, 3, 2, 1, 1, 2, 4, (2, 3, 3, 1), (3, 3, 3, 3)),
        (5, 4, 3, 1, 2, 0, 2, (2, 4), (4, 4)),
        (6, 3, 1, 2, 2, 1, 5, (2, 2, 3, 3, 2), (3, 3, 3, 3, 3)),
    ),
    # The comment gives the first element of the last window.
    ("valid", True): (
        (6, 3, 2, 1, 0, 0, 3, (3, 3, 2), (3, 3, 2)),  # 4; nothing beyond the declared padding counts
        (5, 2, 2, 1, 0, 0, 3, (2, 2, 1), (2, 2, 1)),  # 4
        (3, 4, 2, 1, 0, 0, 1, (3,), (3,)),  # 0, a window larger than the input
        (7, 3, 2, 1, 0, 0, 3, (3, 3, 3), (3, 3, 3)),  # 4, ends exactly at the end of the input
        (6, 2, 2, 2, 0, 0, 3, (2, 2, 1), (2, 2, 1)),  # 4
    ),
    ("same", True): (
        (6, 1, 2, 1, 0, 0, 3, (1, 1, 1), (1, 1, 1)),  # a fourth window would start at 6, after the end of the input
        (6, 3, 2, 1, 0, 1, 3, (3, 3, 2), (3, 3, 3)),
    ),
    ("full", True): (
        (5, 2, 2, 1, 1, 1, 3, (1, 2, 2), (2, 2, 2)),  # a fourth window would start at 5, in the padding
        (4, 3, 3, 1, 2, 2, 2, (1, 3), (3, 3)),  # a third would start at 4
    ),
    ("numbers", True): (
        (4, 2, 2, 1, 0, 1, 2, (2, 2), (2, 2)),  # a third would start at 4
        (5, 3, 3, 1, 1, 1, 2, (2, 3), (3, 3)),  # a third would start at 5
        (4, 3, 2, 1, 1, 1, 3, (2, 3, 1), (3, 3, 2)),  # 3; its third element is beyond the declared padding
        (6, 3, 3, 1, 1, 0, 3, (2, 3, 1), (3, 3, 1)),  # 5
        (8, 2, 3, 2, 1, 1, 3, (1, 2, 2), (2, 2, 2)),  # a fourth would start at 8
    ),
}

# padding: rows (inputs, k, S, D, output_padding, cut, cut_after, outputs). The kernels reach (inputs − 1)·S + span elements.
# The first `cut` of them are cut off. With "valid", "full" and numbers, the number of outputs is
# reached − cut − cut_after + output_padding. With "same" and "same_lower" it is (inputs − 1)·S + 1 + output_padding, and the
# cuts are the padding of an input of this size.
TRANSPOSED = {
    "valid": (
        (3, 3, 2, 1, 0, 0, 0, 7),
        (3, 3, 2, 1, 1, 0, 0, 8),
        (2, 2, 3, 2, 2, 0, 0, 8),
        (2, 2, 2, 5, 4, 0, 0, 12),  # 2 + 6 elements are reached, and the dilation allows 4 more
    ),
    "same": (
        (3, 4, 2, 1, 0, 1, 2, 5),
        (3, 4, 2, 1, 1, 1, 1, 6),
        (3, 3, 2, 1, 1, 0, 1, 6),
        (3, 2, 1, 3, 0, 1, 2, 3),
        (2, 2, 3, 1, 2, 0, 0, 6),  # (2 − 1)·3 + 2 elements are reached; the sixth output is the bias alone
        (1, 4, 3, 1, 1, 1, 1, 2),
        (2, 2, 1, 4, 3, 2, 2, 5),
    ),
    "same_lower": ((3, 4, 2, 1, 0, 2, 1, 5), (3, 3, 2, 1, 1, 1, 0, 6), (3, 2, 1, 3, 0, 2, 1, 3)),
    "full": ((5, 3, 1, 1, 0, 2, 2, 3), (4, 2, 2, 1, 1, 1, 1, 7), (3, 2, 3, 2, 0, 2, 2, 5)),
    "numbers": (
        (3, 3, 2, 1, 0, 1, 1, 5),
        (3, 3, 2, 1, 1, 1, 1, 6),
        (4, 3, 3, 2, 2, 2, 1, 13),
        (2, 4, 1, 1, 0, 0, 3, 2),
        (2, 2, 1, 4, 3, 1, 2, 6),
    ),
}

# Rows as in TRANSPOSED, with the sizes that Keras and JAX infer if no output padding is given. With "same" and "same_lower"
# these are also the sizes of ONNX's auto_pad.
INFERRED = {
    "valid": ((3, 3, 2, 1, None, 0, 0, 7), (4, 2, 3, 1, None, 0, 0, 12), (3, 2, 2, 3, None, 0, 0, 8)),
    "same": (
        (3, 3, 2, 1, None, 0, 1, 6),
        (3, 4, 2, 1, None, 1, 1, 6),
        (4, 2, 3, 1, None, 0, 0, 12),
        (2, 2, 1, 3, None, 1, 2, 2),
    ),
    "same_lower": ((3, 3, 2, 1, None, 1, 0, 6), (2, 4, 1, 1, None, 2, 1, 2)),
}

# mode: rows (size, k, before, after, outputs) of a plain cross-correlation; a convolution flips the kernel. The extra zero of
# "same" is before the input, as in scipy.signal.convolve.
MODES = {
    "valid": ((6, 4, 0, 0, 3), (5, 2, 0, 0, 4), (3, 3, 0, 0, 1)),
    "same": ((6, 4, 2, 1, 6), (5, 3, 1, 1, 5), (7, 2, 1, 0, 7), (3, 4, 2, 1, 3), (2, 5, 2, 2, 2)),
    "full": ((3, 4, 3, 3, 6), (5, 2, 1, 1, 6), (4, 3, 2, 2, 6)),
}

# (inputs, S, outputs): S − 1 zeros between neighbours, none at the ends.
STUFFED = ((3, 2, 5), (4, 3, 10), (2, 1, 2), (1, 4, 1))

# (labels, classes, α, targets): the target of a class is α/K, and the target of the label is 1 − α larger.
SMOOTHED = (
    ((2, 0), 4, 0.5, ((0.125, 0.125, 0.625, 0.125), (0.625, 0.125, 0.125, 0.125))),
    ((1, 1, 0), 2, 0.25, ((0.125, 0.875), (0.125, 0.875), (0.875, 0.125))),
    ((3,), 5, 0.0, ((0.0, 0.0, 0.0, 1.0, 0.0),)),
    ((0,), 8, 1.0, ((0.125,) * 8,)),
)

# (channels, size, first and last channel of each neighbourhood): for an even size, there is one more channel before.
RESPONSES = (
    (5, 3, ((0, 1), (0, 2), (1, 3), (2, 4), (3, 4))),
    (5, 4, ((0, 1), (0, 2), (0, 3), (1, 4), (2, 4))),
    (4, 2, ((0, 0), (0, 1), (1, 2), (2, 3))),
    (3, 8, ((0, 2), (0, 2), (0, 2))),
)

# mode: rows (size, before, after, index of the input element that each output copies, −1 for a zero).
FRAMES = {
    "zeros": ((3, 1, 2, (-1, 0, 1, 2, -1, -1)), (4, 0, 1, (0, 1, 2, 3, -1))),
    "reflect": ((4, 3, 1, (3, 2, 1, 0, 1, 2, 3, 2)), (3, 0, 2, (0, 1, 2, 1, 0))),
    "edge": ((3, 2, 1, (0, 0, 0, 1, 2, 2)), (1, 1, 3, (0, 0, 0, 0, 0))),
}

# mode: rows (size, S, weight of each input element in each output). Each input element is divided into S parts, and outputs
# are sampled at the centres of these parts.
UPSAMPLED = {
    "nearest": (
        (3, 2, ((1, 0, 0), (1, 0, 0), (0, 1, 0), (0, 1, 0), (0, 0, 1), (0, 0, 1))),
        (2, 3, ((1, 0), (1, 0), (1, 0), (0, 1), (0, 1), (0, 1))),
    ),
    "bilinear": (
        (3, 2, ((1, 0, 0), (0.75, 0.25, 0), (0.25, 0.75, 0), (0, 0.75, 0.25), (0, 0.25, 0.75), (0, 0, 1))),
        (2, 4, ((1, 0), (1, 0), (0.875, 0.125), (0.625, 0.375), (0.375, 0.625), (0.125, 0.875), (0, 1), (0, 1))),
    ),
}
