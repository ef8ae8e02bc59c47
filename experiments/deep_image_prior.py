"""Experiment: Deep Image Prior removes noise and restores missing pixels and a large hole.

The network is not trained before. The photograph shows Grace Hopper and is included in matplotlib.
"""

from __future__ import annotations

import numpy as np

from experiments.experiment import Experiment
from refconv._optional import need
from refconv.data.pictures import open_picture
from refconv.training import fit_image

__all__ = [
    "EXPERIMENT",
    "HOLE_SIZE",
    "HOLE_STEPS",
    "NOISE",
    "RESTORATIONS",
    "diversity",
    "fit_image",
    "harmonic_fill",
    "mean_fill",
    "photograph",
    "photograph_with_hole",
    "psnr",
    "restorations",
]

SIZE = 128
NOISE = 25 / 255
MISSING = 0.5  # fraction of the pixels
HOLE_SIZE, HOLE = 96, (slice(20, 60), slice(64, 90))  # pixels; the hole covers parts of hat, face and background
HOLE_STEPS, RESTORATIONS = 600, 4
SWEEPS = 5000  # in a hole 26 pixels wide, errors of the harmonic fill shrink by more than e each 140 sweeps


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
    return {
        "PSNR with the mean colour in place of missing pixels, dB": psnr(mean_fill(truth, known), truth),
        f"PSNR after {steps} steps, dB": psnr(result, truth),
    }


def photograph_with_hole():
    """Return the photograph, and the mask of its known pixels (1) and of one large hole (0)."""
    known = np.ones((HOLE_SIZE, HOLE_SIZE, 1), np.float32)
    known[HOLE] = 0
    return photograph(HOLE_SIZE), known


def mean_fill(image, known):
    """Return the image with the mean colour of the known pixels in place of the others."""
    return np.where(known, image, image[known[..., 0] > 0].mean(0, dtype=np.float64))


def harmonic_fill(image, known):
    """Return the image with missing pixels that are the mean of their four neighbours.

    This is Laplace's equation, solved by repeated averaging (Jacobi's method).
    """
    filled = mean_fill(image, known)
    for _ in range(SWEEPS):
        p = np.pad(filled, ((1, 1), (1, 1), (0, 0)), mode="edge")
        mean = (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]) / 4
        filled = np.where(known, image, mean)
    return filled


def restorations(vary, steps, count=RESTORATIONS, seed=0):
    """Return several restorations of the large hole from networks without skip connections.

    Parameters
    ----------
    vary : {"z", "weights"}
        What differs between the restorations: the noise z, with equal initial weights; or the initial weights, with the
        meshgrid as z. The jitter of z also differs in the second case.
    steps, count, seed : int
        Number of steps, number of restorations, and seed of the first one.

    Returns
    -------
    array (count, H, W, 3)

    Source: lecture row D2 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Deep image prior", 2017, supplementary material.
    """
    truth, known = photograph_with_hole()
    results = []
    for k in range(seed, seed + count):
        z = np.random.default_rng(1000 + k).uniform(0, 0.1, (*truth.shape[:2], 32))
        varied = {"z": z, "seed": seed} if vary == "z" else {"z": "meshgrid", "seed": k}
        results.append(fit_image(truth * known, known, steps=steps, skip=0, **varied))
    return np.stack(results)


def diversity(images, known):
    """Return the mean standard deviation between images inside and outside the hole.

    It is measured in grey levels of 255.
    """
    deviation = 255 * images.std(0, dtype=np.float64).mean(-1)
    hole = known[..., 0] == 0
    return deviation[hole].mean(), deviation[~hole].mean()


def simple_fills(settings):
    """Fill the large hole without a network."""
    truth, known = photograph_with_hole()
    hole = known[..., 0] == 0
    fills = {"the mean colour": mean_fill, "a harmonic fill": harmonic_fill}
    return {f"PSNR in the hole with {name}, dB": psnr(fill(truth, known)[hole], truth[hole]) for name, fill in fills.items()}


def restore_hole(z, skip):
    """Return a variant that restores the large hole with this input and these skip connections."""

    def variant(settings):
        truth, known = photograph_with_hole()
        steps = _steps(settings, HOLE_STEPS)
        result = fit_image(truth * known, known, steps=steps, seed=settings.seed, z=z, skip=skip)
        hole = known[..., 0] == 0
        return {
            f"PSNR in the hole after {steps} steps, dB": psnr(result[hole], truth[hole]),
            f"PSNR outside after {steps} steps, dB": psnr(result[~hole], truth[~hole]),
        }

    return variant


def measure_diversity(vary):
    """Return a variant that measures how much restorations of the large hole differ."""

    def variant(settings):
        truth, known = photograph_with_hole()
        hole = known[..., 0] == 0
        images = restorations(vary, _steps(settings, HOLE_STEPS), seed=settings.seed)
        psnrs = {f"PSNR of restoration {k} in the hole, dB": psnr(x[hole], truth[hole]) for k, x in enumerate(images, start=1)}
        inside, outside = diversity(images, known)
        return {
            **psnrs,
            "PSNR of their mean in the hole, dB": psnr(images.mean(0)[hole], truth[hole]),
            "standard deviation in the hole, grey levels": inside,
            "standard deviation outside, grey levels": outside,
        }

    return variant


def _steps(settings, usual=1200):
    return 100 * settings.epochs if settings.epochs else 2 if settings.quick else usual


EXPERIMENT = Experiment(
    "deep-image-prior",
    f"An untrained network removes noise from a photograph of {SIZE} × {SIZE} pixels and restores missing pixels.",
    "M17, D2",
    {
        "denoise, σ = 25/255": denoise,
        "inpaint, half of the pixels": inpaint,
        "large hole, no network": simple_fills,
        "large hole, noise, skip connections": restore_hole("noise", skip=4),
        "large hole, noise, no skip connections": restore_hole("noise", skip=0),
        "large hole, meshgrid, no skip connections": restore_hole("meshgrid", skip=0),
        "diversity over z": measure_diversity("z"),
        "diversity over the weights": measure_diversity("weights"),
    },
    seeds=1,
    options=("epochs",),
)
