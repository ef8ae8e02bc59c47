"""F1: a convolution flips one function, slides it over the other and integrates the product.

    python figures/f01_continuous.py --show

A box convolved with itself gives a triangle: the overlap grows, is complete for a moment, and shrinks. A decaying spike with a
box gives the voltage of a capacitor that is charged and discharged. The integral is approximated by a sum: ``convolve1d`` over
100 samples a second, times the distance between samples. Source: lecture rows F1, A1 and A2 (SOURCES.md).
"""

import canvas
import numpy as np

from refconv import convolve1d

STEP = 0.01  # seconds between samples
FIRST, LAST = -1.2, 3.2  # seconds, the range of the axis
A = np.arange(FIRST, LAST, STEP) + STEP / 2  # seconds, the middle of each sample
MOMENTS = np.round(np.arange(-0.2, 2.61, 0.1), 1)  # seconds, one frame each


def box(a):
    """Return 1 for 0 < a < 1, else 0."""
    return np.where((a > 0) & (a < 1), 1.0, 0.0)


def spike(a):
    """Return exp(−1.5 a) for a > 0, else 0."""
    return np.where(a > 0, np.exp(-1.5 * np.maximum(a, 0)), 0.0)


def draw():
    """Slide the box over both functions, from left to right."""
    pairs = {"box ∗ box": box, "spike ∗ box": spike}
    results = {name: convolve1d(box(A), w(A), "full") * STEP for name, w in pairs.items()}
    times = 2 * FIRST + STEP * np.arange(1, 2 * len(A))  # seconds, of the samples of the results
    frames = []
    for t in MOMENTS:
        figure = canvas.canvas("Flip one function, slide it, and integrate the product")
        panels = figure.subplots(2, 2, sharex=True, sharey=True)
        for column, (name, w) in enumerate(pairs.items()):
            _overlap(panels[0, column], name, w, t)
            _result(panels[1, column], times, results[name], w, t)
        figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        panels[0, 0].set_ylabel("value")
        panels[1, 0].set_ylabel("$(w * x)(t)$ in s")
        frames.append(figure)
    return canvas.Animation(frames, [1500, *[350] * (len(frames) - 2), 2500])


def _overlap(axes, name, w, t):
    axes.set_title(name)
    axes.plot(A, w(A), color=canvas.BLUE, label="$w(a)$")
    axes.plot(A, box(t - A), color=canvas.ORANGE, label="$x(t - a)$")
    axes.fill_between(A, w(A) * box(t - A), color=canvas.SKY, alpha=0.6, linewidth=0, label="product")
    axes.axvline(t, color=canvas.GREY, linewidth=1, linestyle=":")
    axes.set(xlim=(FIRST, LAST), ylim=(-0.05, 1.15), xlabel="a in s")
    axes.tick_params(labelbottom=True)


def _result(axes, times, result, w, t):
    computed = times < t + STEP / 2
    area = result[computed][-1]
    assert np.isclose(area, np.sum(w(A) * box(t - A)) * STEP)
    axes.plot(times, result, color="#CFCFCF", linewidth=1.5)
    axes.plot(times[computed], result[computed], color=canvas.GREEN, linewidth=3)
    axes.plot(t, area, "o", color=canvas.GREEN, markersize=9)
    axes.axvline(t, color=canvas.GREY, linewidth=1, linestyle=":")
    axes.set_title(f"t = {t:.1f} s, area {abs(area):.2f} s".replace("-", "−"), fontsize=13)
    axes.set_xlabel("t in s")


if __name__ == "__main__":
    canvas.main(draw)
