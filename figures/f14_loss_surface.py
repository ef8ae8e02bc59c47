"""F14: the loss surface is a wide bowl with shortcuts, a plateau with cliffs without them.

    python figures/f14_loss_surface.py --measure --show

The networks are the residual and the plain network of F13, with 44 layers, after the same eight epochs. The trained weights
are in the middle. The plane has two random directions, scaled so that each filter's part is as long as the filter: at 0.5,
each filter has moved by half of its length (Li et al., 2018). Biases and batch normalisation do not change. The loss is
computed on 256 training digits; guessing gives 2.3. With fewer layers or longer training, plain networks can also have a
bowl. Both panels share one colour scale and one set of contours; seed 0 for the networks, 1 for the directions. Source:
lecture rows F14 and M9 (SOURCES.md).
"""

import canvas
import numpy as np
from f13_residual import KINDS, SEED, small, trained

from refconv import data, softmax_cross_entropy

DEPTH, DIGITS, REACH, POINTS = 44, 256, 0.6, 25
LEVELS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
LOWEST, HIGHEST = LEVELS[0], LEVELS[-1]
STEPS = np.round(np.linspace(-REACH, REACH, POINTS), 3)


def measure():
    """Return a row for each network and point of the plane, with the loss at that point."""
    images, labels = data.draw_digits(DIGITS, SEED)
    x, rows = small(images), []
    for kind in KINDS:
        model, _ = trained(kind, DEPTH)
        filters = [p.value for p in model.named_parameters().values() if p.value.ndim > 1]
        here, rng = [w.copy() for w in filters], np.random.default_rng(1)
        one, other = ([direction(w, rng) for w in here] for _ in range(2))
        for b in STEPS:
            for a in STEPS:
                for w, start, u, v in zip(filters, here, one, other, strict=True):
                    w[...] = start + a * u + b * v
                loss = float(softmax_cross_entropy(model(x), labels)[0])
                rows.append({"network": kind, "a": a, "b": b, "loss": float(f"{loss:.4g}")})
    return rows


def direction(w, rng):
    """Return a random direction in which each output channel's part has the norm of its weights."""
    u, axes = rng.standard_normal(w.shape, np.float32), tuple(range(w.ndim - 1))
    return u * (np.linalg.norm(w.reshape(-1, w.shape[-1]), axis=0) / np.sqrt((u**2).sum(axes)))


def draw(rows):
    """Draw both surfaces from above, residual on the right."""
    figure = canvas.canvas("The loss: cliffs without shortcuts, a bowl with them")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind in zip(panels, KINDS, strict=True):
        loss = np.array([row["loss"] for row in rows if row["network"] == kind]).reshape(POINTS, POINTS)
        half = REACH / (POINTS - 1)
        shade = axes.imshow(
            np.log10(np.clip(loss, LOWEST, HIGHEST)),
            cmap=canvas.SHADES,
            vmin=np.log10(LOWEST),
            vmax=np.log10(HIGHEST),
            extent=(-REACH - half, REACH + half) * 2,
            origin="lower",
            interpolation="bilinear",
        )
        axes.contour(
            STEPS, STEPS, np.log10(loss), levels=np.log10(LEVELS), colors=canvas.INK, linewidths=0.8, linestyles="solid"
        )
        axes.plot([0], [0], "+", color=canvas.INK, markersize=9)
        axes.set_xticks([-0.5, 0, 0.5])
        axes.set_yticks([-0.5, 0, 0.5])
        axes.set(title=f"{kind}, {DEPTH} layers", xlabel="first direction (filter lengths)")
    panels[0].set_ylabel("second direction (filter lengths)")
    bar = figure.colorbar(shade, ax=panels, label="training loss")
    bar.set_ticks(np.log10(LEVELS), labels=[f"{level:g}" for level in LEVELS])
    return figure


if __name__ == "__main__":
    canvas.main(draw, measure)
