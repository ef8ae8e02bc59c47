"""Experiment: Deep Image Prior removes noise from a photograph and restores missing pixels.

The network is not trained before. The photograph shows Grace Hopper and is included in matplotlib.
"""

from __future__ import annotations

import numpy as np

from experiments.experiment import Experiment
from refconv._optional import need
from refconv.data.pictures import open_picture
from refconv.training import fit_image

__all__ = ["EXPERIMENT", "NOISE", "fit_image", "photograph", "psnr"]

SIZE = 128
NOISE = 25 / 255
MISSING = 0.5  # fraction of the pixels


def photograph(size=SIZE):
    """Return a photograph of the face of Grace Hopper, with values from 0 to 1.

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
    r"""Return the peak signal-to-noise ratio, in decibels, of an image with values from 0 to 1.

    .. math:: -10 \log_{10} \operatorname{mean} (x - t)^2

    >>> round(psnr(np.array([0.5, 0.6]), np.array([0.5, 0.5])), 2)
    23.01
    """
    return float(-10 * np.log10(np.mean((image - truth) ** 2, dtype=np.float64)))


def denoise(settings):
    """Remove Gaussian noise from the photograph."""
    truth, steps = photograph(), _steps(settings)
    rng = np.random.default_rng(settings.seed)
    noisy = np.clip(truth + NOISE * rng.standard_normal(truth.shape, np.float32), 0, 1)
    result = fit_image(noisy, steps=steps, seed=settings.seed, jitter=1 / 30)
    return {"PSNR of the noisy image, dB": psnr(noisy, truth), f"PSNR after {steps} steps, dB": psnr(result, truth)}


def inpaint(settings):
    """Restore the photograph from half of its pixels."""
    truth, steps = photograph(), _steps(settings)
    known = (np.random.default_rng(settings.seed).random((*truth.shape[:2], 1)) >= MISSING).astype(np.float32)
    result = fit_image(truth * known, known, steps=steps, seed=settings.seed)
    filled = np.where(known, truth, truth[known[..., 0] > 0].mean(0, dtype=np.float64))
    return {
        "PSNR with the mean colour in place of missing pixels, dB": psnr(filled, truth),
        f"PSNR after {steps} steps, dB": psnr(result, truth),
    }


def _steps(settings):
    return 100 * settings.epochs if settings.epochs else 2 if settings.quick else 1200


EXPERIMENT = Experiment(
    "deep-image-prior",
    f"An untrained network removes noise from a photograph of {SIZE} × {SIZE} pixels and restores missing pixels.",
    "M17",
    {"denoise, σ = 25/255": denoise, "inpaint, half of the pixels": inpaint},
    seeds=1,
    options=("epochs",),
)
