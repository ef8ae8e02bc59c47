"""The statements of the lectures, one line each, by the ids that ``Source:`` cites; in our own words.

The code that implements a statement is found in docstrings and in the catalogue by :mod:`refconv.verify.lectures.index`.
"""

from __future__ import annotations

import re

__all__ = ["FORMULAS", "SIZES", "STATEMENTS", "ids"]

STATEMENTS = {
    "A1": "convolution of functions, (w * x)(t) = ∫ x(t−a) w(a) da, which sums over ever finer samples approach",
    "A2": "convolution of signals, (w * x)_t = Σ_i x_{t−i} w_i; under the Fourier transform it is a product",
    "A3": "convolution of images, (K * I)_{i,j} = Σ_{m,n} I_{i−m, j−n} K_{m,n}",
    "A4": "cross-correlation, (K ⋆ I)_{i,j} = Σ_{m,n} I_{i+m, j+n} K_{m,n}: convolution with the kernel flipped",
    "A5": "a layer sums over the channels c of its input",
    "A6": "a layer has a kernel for each of its output channels o",
    "A7": "a layer moves on by the stride S: (K ⋆ I)_{i,j,o} = Σ_{m,n,c} I_{iS+m, jS+n, c} K_{m,n,c,o}",
    "A8": "a 1×1 kernel is one dense layer shared by all pixels",
    "A9": 'padding "valid" and "same"',
    "A10": "images with their channels last, or first",
    "A11": "max pooling and average pooling",
    "A12": "momentum and weight decay: v ← 0.9 v − α ∂L/∂θ − 0.0005 α θ; θ ← θ + v",
    "A13": "batch normalisation in training: x̂ = (x − μ) / √(σ² + ε), y = γ x̂ + β",
    "A14": "batch normalisation keeps averages: μ̂ ← τ μ̂ + (1 − τ) μ",
    "A15": "batch normalisation in inference, with the averages that were kept",
    "A16": "batch normalisation of images: each channel over batch and positions",
    "A17": "batch normalisation cancels a bias before it",
    "A18": "dropout",
    "A19": "softmax and cross-entropy; label smoothing keeps 1 − α for the label and shares α among all classes",
    "A20": "RMSProp, clipping of gradients, schedules of the learning rate",
    "A21": "crops, flips and scales in training; averages over crops and networks in testing",
    "A22": "auxiliary classifiers, whose loss counts 0.3",
    "A23": "residual connections, with a projection where shapes differ",
    "B1": "a filter that slides over a padded image of three channels",
    "B2": "im2col: neighbourhoods become columns, and convolution one matrix product",
    "B3": "∂e/∂w_ij = Σ_{k,l} ∂e/∂z_kl x_{k+i, l+j}",
    "B4": "∂e/∂x_kl = Σ_{i,j} ∂e/∂z_{k+i, l+j} w_{−i,−j}: the filter flipped",
    "B5": "max pooling sends the gradient to the unit with the maximum alone",
    "B6": "ReLU, leaky ReLU, ELU, sigmoid, tanh",
    "B7": "three 3×3 layers see as much as one 7×7, with 27 K² weights instead of 49 K²",
    "B8": "stochastic depth: layers are left out at random in training",
    "B9": "a residual network is a collection of 2ⁿ paths",
    "B10": "a trained network's features serve another task",
    "B11": "averages over crops, flips and networks",
    "C1": "transposed convolution goes back from small to large: in shape, not in value",
    "C2": "as matrices, convolution is W x and transposed convolution Wᵀ y, its gradient; stuffed zeros give the same",
    "C3": "two sizes of input give one size of output; output_padding tells them apart",
    "C4": "dilated convolution: a larger receptive field with no more weights",
    "C5": "grouped convolution: g groups of channels, weights ÷ g",
    "C6": "a kernel of rank one is a column times a row",
    "C7": "depthwise separable convolution: each channel on its own, then 1×1",
    "C8": "convolution in one dimension; its Toeplitz matrix; it moves with its input",
    "C9": "a 4×4 image pooled by 2×2, with numbers",
    "C10": "pooling does not see the order inside its window, nor small shifts",
    "C11": "scaling and rotation do show in the output; augmentation helps",
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
    "M18": "Gabor filters beside those of a first layer",
    "M19": "a network's features for a task with words",
}

ID = re.compile(r"\b([ABCM])(\d+)(?:–[ABCM]?(\d+))?\b")


def ids(text: str) -> list[str]:
    """Return the ids in a text, with ranges expanded.

    >>> ids("A5–A7, C4; LeCun et al., 1998")
    ['A5', 'A6', 'A7', 'C4']
    """
    return [f"{deck}{number}" for deck, low, high in ID.findall(text) for number in range(int(low), int(high or low) + 1)]


# The statements that say what an operator computes or how it behaves: each must have its loop. Two speak of sizes alone.
SIZES = ("B7", "C3")
FORMULAS = tuple(id for id in ids("A2–A11, A13–A19, B2–B7, C1–C10") if id not in SIZES)
