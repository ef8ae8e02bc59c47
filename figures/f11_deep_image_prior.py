"""F11: an untrained network fits photographs before noise, so it denoises and fills holes.

    python figures/f11_deep_image_prior.py --measure --show

A small hourglass network with random weights and a fixed noise input is fitted to one image of 96 × 96 pixels; it never sees
another. Above, this image is a photograph with noise (σ = 25/255), or a photograph with half of its pixels missing. The PSNR
(peak signal-to-noise ratio, higher is better) compares with the true photograph, which is not used for fitting. The restored
image is an average over the last steps. Below are the errors for the photograph, for the noisy photograph and for noise alone.
Seed 0; the photograph of Grace Hopper comes with matplotlib. Source: lecture rows F11 and M17 (SOURCES.md).
"""

import canvas
import numpy as np
from pixels import picture_of, rows_of

from experiments.deep_image_prior import NOISE, fit_image, photograph, psnr

SIZE, STEPS, LONG_STEPS, MISSING, SEED = 96, 500, 1000, 0.5, 0
LOGGED_STEPS = (*range(0, 100, 10), *range(100, STEPS + 1, 25))
CURVES = {"photograph": canvas.BLUE, "photograph with noise": canvas.GREEN, "noise": canvas.ORANGE}


def measure():
    """Return the rows: the errors of each fit at some steps, and the pixels of the pictures.

    For an error, ``at`` is the step and ``value`` the error; for a picture, ``at`` is the row and ``value`` its pixels.
    """
    truth = photograph(SIZE)
    noisy, known = degraded(truth)
    noise = np.random.default_rng(SEED + 1).random(truth.shape, np.float32)
    rows = []
    clean = fit_and_log(noisy, "photograph with noise", LONG_STEPS, rows)
    fit_and_log(truth, "photograph", STEPS + 1, rows)
    fit_and_log(noise, "noise", STEPS + 1, rows)
    filled = fit_image(truth * known, known, steps=LONG_STEPS, seed=SEED)
    for name, picture in (("truth", truth), ("cleaned", clean), ("filled", filled)):
        rows += rows_of(name, picture)
    return rows


def degraded(truth):
    """Return the photograph with noise, and a mask of its known (1) and missing (0) pixels."""
    rng = np.random.default_rng(SEED)
    noisy = np.clip(truth + NOISE * rng.standard_normal(truth.shape, np.float32), 0, 1)
    return noisy, (rng.random((SIZE, SIZE, 1)) >= MISSING).astype(np.float32)


def fit_and_log(target, name, steps, rows):
    """Fit the network to an image, append its errors to rows, and return the smoothed image."""

    def log_error(step, image):
        if step in LOGGED_STEPS:
            rows.append({"what": name, "at": step, "value": float(f"{np.mean((image - target) ** 2):.4g}")})

    return fit_image(target, steps=steps, seed=SEED, jitter=1 / 30, on_step=log_error)


def draw(rows):
    """Draw five pictures above and the learning curves below."""
    figure = canvas.canvas("An untrained network fits photographs faster than noise")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1))
    truth, clean, filled = (picture_of(rows, name) for name in ("truth", "cleaned", "filled"))
    noisy, known = degraded(truth)
    shown = {
        "noisy": noisy,
        "… restored": clean,
        "the photograph": truth,
        "half missing": truth * known,
        "… filled in": filled,
    }
    for axes, (name, picture) in zip(above.subplots(1, 5), shown.items(), strict=True):
        axes.imshow(picture)
        axes.set_axis_off()
        axes.set_title(name, fontsize=14)
        if name in ("noisy", "… restored", "… filled in"):
            axes.text(0.5, -0.03, f"{psnr(picture, truth):.1f} dB", transform=axes.transAxes, ha="center", va="top")
    curves(below.subplots(), rows)
    return figure


def curves(axes, rows):
    """Draw the error against the training step for each of the three images."""
    for name, colour in CURVES.items():
        chosen = [row for row in rows if row["what"] == name]
        axes.plot([row["at"] for row in chosen], [row["value"] for row in chosen], color=colour)
        axes.text(STEPS + 8, chosen[-1]["value"], name, color=colour, va="center")
    axes.set(xlabel="training steps", ylabel="squared error", yscale="log", xlim=(0, STEPS))


if __name__ == "__main__":
    canvas.main(draw, measure)
