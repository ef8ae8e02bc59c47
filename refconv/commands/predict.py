"""``refconv predict``."""

from pathlib import Path

import numpy as np

from refconv import data, weights
from refconv._optional import need
from refconv.data.pictures import FAINTEST_INK, open_picture
from refconv.ops.loss import softmax

__all__ = ["digit_from_photo", "predict"]

INPUT_SHAPE = (32, 32, 1)  # of data.lenet_input
BOX, SIDE = 20, 28  # MNIST: the ink fits into 20 × 20 of 28 × 28 pixels


def predict(model_path, image_paths, top) -> None:
    """Print the likeliest classes of each image, with their probabilities."""
    model = _digit_reader(model_path)
    digits = np.stack([digit_from_photo(path) for path in image_paths])  # all are read before anything is printed
    dtype = next(iter(model.named_parameters().values())).value.dtype
    probabilities = softmax(model(data.lenet_input(digits, dtype)))
    for path, p in zip(image_paths, probabilities, strict=True):
        likeliest = np.argsort(-p, kind="stable")[:top]
        print(f"{path}:  " + "   ".join(f"{c} {100 * p[c]:.1f} %" for c in likeliest))


def _digit_reader(path):
    """The model, if it takes digits as ``data.lenet_input`` prepares them, gives one score a class, and is finite."""
    model, description = weights.load_model(path)
    shape = description["input_shape"]
    if shape != INPUT_SHAPE or len(model.output_shape(shape)) != 1:
        wanted = f"take inputs of shape {INPUT_SHAPE} and return the scores of classes"
        raise ValueError(f"{path} must {wanted}, got shapes {shape} and {model.output_shape(shape)}")
    for name, parameter in model.named_parameters().items():
        if not np.isfinite(parameter.value).all():
            raise ValueError(f"{path} holds weights that are no finite numbers: {name}")
    return model


def digit_from_photo(path):
    """One digit in MNIST's form from an image file.

    Parameters
    ----------
    path : path
        Anything that Pillow opens, of any size; dark on light or light on dark.

    Returns
    -------
    array (28, 28), uint8
        0 is background, 255 is ink; the ink fits into 20 × 20 pixels, its centre of mass in the middle.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a readable picture, has pixels of more than 8 bits, or has no ink in it.
    ImportError
        If Pillow is not installed.

    Source: M2; LeCun et al., "Gradient-based learning applied to document recognition", 1998, section III-A.
    """
    ink = _ink(path)
    rows, columns = (np.flatnonzero(ink.max(axis) > 0.25) for axis in (1, 0))
    if not len(rows):
        raise ValueError(f"{path} has no ink in it: all of its pixels are much the same")
    digit = _shrunk(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    if not digit.any():
        raise ValueError(f"{path} has no digit in it: a few specks of ink, too far apart")
    return _centred(digit)


def _ink(path):
    """How much ink each pixel has, from 0 to 1; what the border mostly shows is paper."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no image {path}")
    grey = np.asarray(open_picture(path, "L"), np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    difference = np.abs(grey - np.median(border))
    # Noise and shadows of the paper reach a fifth of the contrast of the ink.
    contrast = difference.max()
    if contrast < FAINTEST_INK:
        return np.zeros_like(grey)
    return np.clip((difference / contrast - 0.2) / 0.6, 0, 1)


def _shrunk(ink):
    """The ink scaled so that its longer side fills the box."""
    pillow = need("PIL.Image", "train", "reading images")
    scale = BOX / max(ink.shape)
    size = [max(1, round(n * scale)) for n in ink.shape]
    picture = pillow.fromarray((255 * ink).astype(np.uint8))
    return np.asarray(picture.resize(size[::-1], pillow.Resampling.LANCZOS))


def _centred(ink):
    """The ink on a sheet of 28 × 28 pixels, its centre of mass in the middle where there is room."""
    weight = ink / ink.sum()
    starts = []
    for axis in (0, 1):
        centre = (weight.sum(1 - axis) * np.arange(ink.shape[axis])).sum()
        starts.append(int(np.clip(round(SIDE / 2 - 0.5 - centre), 0, SIDE - ink.shape[axis])))
    sheet = np.zeros((SIDE, SIDE), np.uint8)
    sheet[starts[0] : starts[0] + ink.shape[0], starts[1] : starts[1] + ink.shape[1]] = ink
    return sheet
