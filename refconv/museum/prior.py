"""Deep Image Prior: a network that has learnt nothing takes noise out of a photograph, and fills holes in it.

The photograph is that of Grace Hopper which comes with matplotlib.
"""

from __future__ import annotations

import time

import numpy as np

from refconv import models, optim
from refconv._optional import need
from refconv.data.pictures import open_picture
from refconv.museum.row import Row

__all__ = ["denoise", "fit_image", "inpaint", "photograph", "psnr"]

SIZE = 128
NOISE = 25 / 255
LR = 1.0


def photograph(size=SIZE):
    """The face of Grace Hopper in colours from 0 to 1.

    Returns
    -------
    array (size, size, 3), float32

    Raises
    ------
    ImportError
        If matplotlib or Pillow is not installed.
    """
    cbook = need("matplotlib.cbook", "train", "the photograph")
    pillow = need("PIL.Image", "train", "the photograph")
    picture = open_picture(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    face = picture.crop((90, 20, 420, 350)).resize((size, size), pillow.Resampling.BOX)
    return np.asarray(face, np.float32) / 255


def psnr(image, truth) -> float:
    r"""Peak signal-to-noise ratio of an image with values from 0 to 1, in decibels.

    .. math:: -10 \log_{10} \operatorname{mean} (x - t)^2

    >>> round(psnr(np.array([0.5, 0.6]), np.array([0.5, 0.5])), 2)
    23.01
    """
    return float(-10 * np.log10(np.mean((image - truth) ** 2, dtype=np.float64)))


def fit_image(
    spoilt, known=None, *, steps, seed=0, smooth=0.98, depth=4, width=0.25, jitter=0.01, on_step=lambda step, image: None
):
    r"""Fit an hourglass to one image, from noise that stays what it is.

    .. math:: \min_\theta \left\| (f_\theta(z) - x_0) \odot m \right\|^2

    The steps are those of SGD with momentum; the paper's are Adam's.

    Parameters
    ----------
    spoilt : array (H, W, C)
        x₀, from 0 to 1; height and width must be divisible by 2^depth.
    known : array (H, W, 1), optional
        m, 1 where the image is known; everywhere by default.
    steps : int
        How many; with too many the network draws the spoiling too.
    seed : int
        Of the weights and of z.
    smooth : float
        What is returned is a running average of the network's images with this weight of the old ones.
    depth, width
        Of :func:`refconv.models.deep_image_prior`.
    jitter : float
        Standard deviation of the noise added to z in each step, which keeps the network from remembering.
    on_step : callable
        Told in each step its number, from 0 on, and the network's own image (H, W, C), before the weights move.

    Returns
    -------
    array (H, W, C), float32

    Source: M17; Ulyanov, Vedaldi and Lempitsky, "Deep image prior", 2017.
    """
    rng = np.random.default_rng(seed)
    z = rng.uniform(0, 0.1, (1, *spoilt.shape[:2], 32)).astype(np.float32)
    model = models.deep_image_prior(spoilt.shape[2], width, depth=depth)
    model.build(z.shape[1:], rng)
    optimizer = optim.SGD(model.named_parameters(), LR, momentum=0.9)
    mask, average = 1 if known is None else known, spoilt
    target = np.where(mask == 0, np.zeros_like(spoilt), spoilt)  # an unknown pixel may be NaN, and 0 · NaN is NaN
    for step in range(steps):
        image, backward = model.forward(z + jitter * rng.standard_normal(z.shape, np.float32), train=True)
        on_step(step, image[0])
        model.zero_grad()
        backward(2 / spoilt[..., 0].size * mask * (image - target), want_dx=False)
        optimizer.step()
        average = image[0] if step == 0 else smooth * average + (1 - smooth) * image[0]
    return average


def denoise(steps=1200, seed=0) -> Row:
    """Take Gaussian noise out of the photograph."""
    truth = photograph()
    noisy = np.clip(truth + NOISE * np.random.default_rng(seed).standard_normal(truth.shape, np.float32), 0, 1)
    began = time.perf_counter()
    result = fit_image(noisy, steps=steps, seed=seed, jitter=1 / 30)
    seconds = time.perf_counter() - began
    said = f"PSNR {psnr(noisy, truth):.2f} → {psnr(result, truth):.2f} dB"
    return Row("deep-image-prior", f"a photograph, noise σ = 25/255, {SIZE}×{SIZE}", f"{steps} steps", seconds, said)


def inpaint(steps=1200, seed=0, missing=0.5) -> Row:
    """Fill in the photograph's pixels, of which a share is missing."""
    truth = photograph()
    known = (np.random.default_rng(seed).random((*truth.shape[:2], 1)) >= missing).astype(np.float32)
    began = time.perf_counter()
    result = fit_image(truth * known, known, steps=steps, seed=seed)
    seconds = time.perf_counter() - began
    grey = psnr(np.where(known, truth, truth[known[..., 0] > 0].mean(0, dtype=np.float64)), truth)
    said = f"PSNR {grey:.2f} with the mean colour there → {psnr(result, truth):.2f} dB"
    return Row("deep-image-prior", f"a photograph, {missing:.0%} of its pixels missing", f"{steps} steps", seconds, said)
