"""Names of the families of operators, in the order of the lectures.

This is the only list of the families. A family is a module with the same name in several packages: the loops are in
``refconv/reference``, the kernels in ``refconv/_core``, the public operators in ``refconv/ops``, the statements to check in
``refconv/verify/catalogue``, and common mistakes in ``refconv/verify/student/mistakes``. Each package imports the modules
named here. tests/test_families.py lists the files that a family is missing.
"""

__all__ = ["FAMILIES"]

FAMILIES = (
    "convolve",  # convolution and cross-correlation of plain arrays
    "conv",  # the convolution layer
    "matrix",  # im2col and Toeplitz matrices
    "conv_transpose",  # transposed convolution
    "separable",  # depthwise and separable convolution
    "p4_conv",  # convolution on translations and rotations by 90°
    "max_pool",
    "avg_pool",
    "resize",  # padding, upsampling and adaptive pooling
    "norm",  # batch normalisation
    "group_norm",  # group, layer and instance normalisation
    "response_norm",  # local response normalisation
    "dropout",
    "activation",
    "dense",
    "loss",  # softmax, cross-entropy and other losses
    "update",  # steps of the optimisers, whose public classes are in refconv.optim
)
