"""Experiment: Deep Image Prior removes noise from a photograph and restores missing pixels.

The network is not trained before. The photograph shows Grace Hopper and is included in matplotlib.
"""

from __future__ import annotations

import numpy as np

from experiments.experiment import Experiment
from refconv import models, optim
from refconv._optional import need
from refconv.data.pictures import open_picture
from refconv.training import Callback, MeanSquaredError, fit

__all__ = ["EXPERIMENT", "NOISE", "fit_image", "photograph", "psnr"]

SIZE = 128
NOISE = 25 / 255
MISSING = 0.5  # fraction of the pixels
LR = 1.0


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


def fit_image(
    damaged, known=None, *, steps, seed=0, smooth=0.98, depth=4, width=0.25, jitter=0.01, on_step=lambda step, image: None
):
    r"""Fit an hourglass network to one image, from fixed noise as its input.

    .. math:: \min_\theta \left\| (f_\theta(z) - x_0) \odot m \right\|^2

    The optimiser is SGD with momentum; the paper uses Adam.

    Parameters
    ----------
    damaged : array (H, W, C)
        x₀, with values from 0 to 1; height and width must be divisible by 2^depth.
    known : array (H, W, 1), optional
        m, which is 1 where the image is known and 0 elsewhere. By default the whole image is known.
    steps : int
        Number of steps. With too many steps, the network also reproduces the damage.
    seed : int
        Seed for the weights and z.
    smooth : float
        Weight of the previous value in the running average of the network's outputs, which is the result.
    depth, width
        Parameters of :func:`refconv.models.deep_image_prior`.
    jitter : float
        Standard deviation of the noise added to z in each step, which prevents overfitting.
    on_step : callable
        Function that is called in each step with the number of the step, from 0, and the network's output (H, W, C) before the
        weights change.

    Returns
    -------
    array (H, W, C), float32

    Source: lecture row M17 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Deep image prior", 2017.
    """
    rng = np.random.default_rng(seed)
    z = rng.uniform(0, 0.1, (1, *damaged.shape[:2], 32)).astype(np.float32)
    model = models.deep_image_prior(damaged.shape[2], width, depth=depth)
    model.build(z.shape[1:], rng)
    mask = 1 if known is None else known
    target = np.where(mask == 0, np.zeros_like(damaged), damaged)[None]  # an unknown pixel may be NaN, and 0 · NaN = NaN
    batches = ((z + jitter * rng.standard_normal(z.shape, np.float32), target) for _ in range(steps))
    optimizer = optim.SGD(model, LR * damaged.shape[2], momentum=0.9)  # because the loss is also a mean over the channels
    average = AverageOutput(smooth, on_step)
    fit(model, batches, optimizer, epochs=1, loss=MaskedSquaredError(mask), callbacks=[average])
    return average.image


class MaskedSquaredError:
    """Mean squared error of the known pixels; unknown pixels have the error 0."""

    def __init__(self, mask):
        self.mask, self.squared_error = mask, MeanSquaredError()

    def __call__(self, image, target):
        value, dimage = self.squared_error(self.mask * image, self.mask * target)
        return value, self.mask * dimage


class AverageOutput(Callback):
    """Callback that computes a running average of the network's outputs, from the first one on."""

    def __init__(self, smooth, on_step):
        self.smooth, self.on_step, self.image = smooth, on_step, None

    def on_step_end(self, run):
        (image,) = run.scores
        self.image = image if self.image is None else self.smooth * self.image + (1 - self.smooth) * image
        self.on_step(run.step - 1, image)


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
