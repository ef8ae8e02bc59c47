"""Statements of the lectures in our own words, by the ids that ``Source:`` cites.

The code that implements a statement is found in docstrings and in the catalogue by :mod:`refconv.verify.lectures.index`.
"""

from __future__ import annotations

import re

__all__ = ["FORMULAS", "SIZES", "STATEMENTS", "ids"]

STATEMENTS = {
    "A1": "convolution of functions, (w * x)(t) = ∫ x(t−a) w(a) da, the limit of sums over ever finer samples",
    "A2": "convolution of signals, (w * x)_t = Σ_i x_{t−i} w_i; the Fourier transform makes it a product",
    "A3": "convolution of images, (K * I)_{i,j} = Σ_{m,n} I_{i−m, j−n} K_{m,n}",
    "A4": "cross-correlation, (K ⋆ I)_{i,j} = Σ_{m,n} I_{i+m, j+n} K_{m,n}: convolution with the kernel flipped",
    "A5": "a layer sums over the channels c of its input",
    "A6": "a layer has a kernel for each of its output channels o",
    "A7": "a layer moves its window by the stride S: (K ⋆ I)_{i,j,o} = Σ_{m,n,c} I_{iS+m, jS+n, c} K_{m,n,c,o}",
    "A8": "a 1×1 kernel is one dense layer shared by all pixels",
    "A9": 'padding "valid" and "same"',
    "A10": "images with channels last, or channels first",
    "A11": "max pooling and average pooling",
    "A12": "momentum and weight decay: v ← 0.9 v − α ∂L/∂θ − 0.0005 α θ; θ ← θ + v",
    "A13": "batch normalisation in training: x̂ = (x − μ) / √(σ² + ε), y = γ x̂ + β",
    "A14": "batch normalisation keeps running averages: μ̂ ← τ μ̂ + (1 − τ) μ",
    "A15": "batch normalisation in inference, with the running averages",
    "A16": "batch normalisation of images: each channel over batch and positions",
    "A17": "batch normalisation cancels a bias before it",
    "A18": "dropout",
    "A19": "softmax and cross-entropy; label smoothing keeps 1 − α for the label and shares α among all classes",
    "A20": "RMSProp, clipping of gradients, schedules of the learning rate",
    "A21": "crops, flips and scales in training; averages over crops and networks in testing",
    "A22": "auxiliary classifiers, whose loss has the weight 0.3",
    "A23": "residual connections, with a projection where shapes differ",
    "B1": "a filter that slides over a padded image of three channels",
    "B2": "im2col: neighbourhoods become columns, and convolution one matrix product",
    "B3": "∂e/∂w_ij = Σ_{k,l} ∂e/∂z_kl x_{k+i, l+j}",
    "B4": "∂e/∂x_kl = Σ_{i,j} ∂e/∂z_{k+i, l+j} w_{−i,−j}: the filter flipped",
    "B5": "max pooling passes the gradient only to the unit with the maximum",
    "B6": "ReLU, leaky ReLU, ELU, sigmoid, tanh",
    "B7": "three 3×3 layers have the receptive field of one 7×7 layer, with 27 K² weights instead of 49 K²; "
    "a bottleneck needs 70K operations instead of 600K",
    "B8": "stochastic depth: layers are dropped at random in training",
    "B9": "a residual network is a collection of 2ⁿ paths",
    "B10": "the features of a trained network are used for another task",
    "B11": "averages over crops, flips and networks",
    "C1": "transposed convolution maps a small image back to a large one: it restores the shape, not the pixels",
    "C2": "as matrices, convolution is W x and transposed convolution Wᵀ y, its gradient; stuffed zeros give the same",
    "C3": "several sizes of input give the same size of output; output_padding selects one of them",
    "C4": "dilated convolution: a larger receptive field with no more weights",
    "C5": "grouped convolution: g groups of channels, weights ÷ g",
    "C6": "a kernel of rank one is a column times a row",
    "C7": "depthwise separable convolution: each channel separately, then 1×1",
    "C8": "convolution in one dimension; its Toeplitz matrix; a shifted input gives a shifted output",
    "C9": "a 4×4 image pooled by 2×2 windows, with numbers",
    "C10": "pooling ignores the order of pixels inside its window, and small shifts",
    "C11": "scaling and rotation change the output; augmentation helps",
    "D1": "dense evaluation: a classifier's dense layers as convolutions, averaged over positions, at several scales",
    "D2": "Deep Image Prior fills large holes from a meshgrid without skip connections, and each z fills them differently",
    "D3": "networks with ReLU learn faster than networks with tanh",
    "D4": "layer, instance and group normalisation: the formula of batch normalisation over other axes",
    "D5": "batch normalisation needs fewer steps to a given accuracy, and makes sigmoids trainable",
    "D6": "error rates on ImageNet, printed in several tables",
    "D7": "Inception v2 and v3 as printed: Table 1 and the costs of Table 3",
    "D8": "the settings with which the papers train their networks",
    "D9": "convolutions that are equivariant by design to other transformations, here to rotations by 90°",
    "D10": "in PyTorch, output_padding must be smaller than the stride or the dilation",
    "D11": "LeNet-5 while its digit moves or changes its size: the feature maps move with the digit",
    "D12": '"Show and tell": the features of a trained network make sentences',
    "M1": "Neocognitron",
    "M2": "LeNet-5",
    "M3": "AlexNet",
    "M4": "Zeiler and Fergus's network",
    "M5": "VGG",
    "M6": "Network in Network",
    "M7": "GoogLeNet",
    "M8": "Inception v2 and v3",
    "M9": "ResNet",
    "M10": "ResNeXt",
    "M11": "Wide ResNet",
    "M12": "ResNet with stochastic depth",
    "M13": "FractalNet",
    "M14": "DenseNet",
    "M15": "MobileNet",
    "M16": "U-Net",
    "M17": "Deep Image Prior",
    "M18": "Gabor filters compared with the filters of a first layer",
    "M19": "the features of a network for a task with text",
}

ID = re.compile(r"\b([ABCDM])(\d+)(?:–[ABCDM]?(\d+))?\b")


def ids(text: str) -> list[str]:
    """Return the ids in a text, with ranges expanded.

    >>> ids("A5–A7, C4; LeCun et al., 1998")
    ['A5', 'A6', 'A7', 'C4']
    """
    return [f"{deck}{number}" for deck, low, high in ID.findall(text) for number in range(int(low), int(high or low) + 1)]


# The statements about what an operator computes or how it behaves: each must have a loop. Two are only about sizes.
SIZES = ("B7", "C3")
FORMULAS = tuple(id for id in ids("A2–A11, A13–A19, B2–B7, C1–C10, D4, D9, D10") if id not in SIZES)
