"""F11: a network that has learnt nothing draws a photograph long before it draws noise; so it cleans, and fills holes.

    python figures/f11_deep_image_prior.py --measure --show

A small hourglass with random weights, fed with noise that stays the same, is fitted to one image of 96 × 96 pixels; it
never sees another. Above, that image is a photograph with noise (σ = 25/255), or one half of whose pixels are missing; the
PSNR is that against the true photograph, which the network is not shown. What it draws is averaged over its last steps.
Below is how fast it learns the photograph, the noisy one, and noise alone. Seed 0; the photograph is that of Grace Hopper
which comes with matplotlib. Source: F11, M17.
"""

import base64

import canvas
import numpy as np

from experiments.deep_image_prior import NOISE, fit_image, photograph, psnr

SIZE, STEPS, LONGER, MISSING, SEED = 96, 500, 1000, 0.5, 0
LOOKS = (*range(0, 100, 10), *range(100, STEPS + 1, 25))
CURVES = {"photograph": canvas.BLUE, "photograph with noise": canvas.GREEN, "noise": canvas.ORANGE}


def measure():
    """A row for each look at a fit (``at`` is the step, ``value`` the error), and for each row of pixels of a picture."""
    truth = photograph(SIZE)
    noisy, known = spoilt(truth)
    noise = np.random.default_rng(SEED + 1).random(truth.shape, np.float32)
    rows = []
    clean = learnt(noisy, "photograph with noise", LONGER, rows)
    learnt(truth, "photograph", STEPS + 1, rows)
    learnt(noise, "noise", STEPS + 1, rows)
    filled = fit_image(truth * known, known, steps=LONGER, seed=SEED)
    for name, picture in (("truth", truth), ("cleaned", clean), ("filled", filled)):
        rows += [{"what": name, "at": k, "value": coded(line)} for k, line in enumerate(picture)]
    return rows


def spoilt(truth):
    """The photograph with noise, and which of its pixels are known (1) or missing (0)."""
    rng = np.random.default_rng(SEED)
    noisy = np.clip(truth + NOISE * rng.standard_normal(truth.shape, np.float32), 0, 1)
    return noisy, (rng.random((SIZE, SIZE, 1)) >= MISSING).astype(np.float32)


def learnt(target, name, steps, rows):
    """Fit the network to an image; notes its mean squared error on the way, and returns its smoothed image."""

    def look(step, image):
        if step in LOOKS:
            rows.append({"what": name, "at": step, "value": float(f"{np.mean((image - target) ** 2):.4g}")})

    return fit_image(target, steps=steps, seed=SEED, jitter=1 / 30, on_step=look)


def coded(line):
    """A row of pixels, a byte for each colour, as letters."""
    return base64.b64encode(np.rint(255 * np.clip(line, 0, 1)).astype(np.uint8).tobytes()).decode()


def picture_of(rows, name):
    """A picture again, with values from 0 to 1."""
    lines = [base64.b64decode(row["value"]) for row in rows if row["what"] == name]
    return np.frombuffer(b"".join(lines), np.uint8).reshape(SIZE, SIZE, 3) / 255


def draw(rows):
    """Five pictures above, and the learning curves below."""
    figure = canvas.canvas("A network that has learnt nothing prefers photographs to noise")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1))
    truth, clean, filled = (picture_of(rows, name) for name in ("truth", "cleaned", "filled"))
    noisy, known = spoilt(truth)
    shown = {
        "noisy": noisy,
        "… restored": clean,
        "the photograph": truth,
        "half is missing": truth * known,
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
    """How fast the network learns each of the three images."""
    for name, colour in CURVES.items():
        chosen = [row for row in rows if row["what"] == name]
        axes.plot([row["at"] for row in chosen], [row["value"] for row in chosen], color=colour)
        axes.text(STEPS + 8, chosen[-1]["value"], name, color=colour, va="center")
    axes.set(xlabel="training steps", ylabel="squared error", yscale="log", xlim=(0, STEPS))


if __name__ == "__main__":
    canvas.main(draw, measure)
