"""Plots of the time of each step of compiled inference."""

from __future__ import annotations

from typing import Any

from refconv._arguments import choice
from refconv._optional import need
from refconv.drawing.style import INK, PALETTE, content_of
from refconv.drawing.training import plain

__all__ = ["profile_picture"]

LABELLED = 8  # number of slowest steps with their number above the bar
OTHERS = "#999999"  # colour of kernels beyond the palette


def profile_picture(profile: Any, title: str = "", form: str = "png") -> bytes:
    """Plot the time of each step, and the least time that this machine needs for it.

    The colour of a bar is the kernel. The horizontal line inside a bar is the least time. The slowest steps have their number
    in the table above their bar.

    Parameters
    ----------
    profile : Profile
        Result of :meth:`refconv.inference.Plan.profile`.
    title : str
        Title of the figure.
    form : {"png", "svg"}
        Format of the file.

    Returns
    -------
    bytes
        The content of the file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Source: lecture row B7 (SOURCES.md).
    """
    choice("form", form, ("png", "svg"))
    figures = need("matplotlib.figure", "train", "drawing a picture")
    figure = figures.Figure(figsize=(10, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    milliseconds = [1000 * time.seconds for time in profile.times]
    kernels = list(dict.fromkeys(time.step.kernel for time in profile.times))
    for k, kernel in enumerate(kernels):
        steps = [n for n, time in enumerate(profile.times) if time.step.kernel == kernel]
        colour = PALETTE[k] if k < len(PALETTE) else OTHERS
        total = sum(milliseconds[n] for n in steps)
        label = f"{kernel}: {total:.2f} ms"
        axes.bar([n + 1 for n in steps], [milliseconds[n] for n in steps], width=0.8, color=colour, label=label)
    for n, time in enumerate(profile.times):
        axes.hlines(min(time.of_limit, 1) * milliseconds[n], n + 0.6, n + 1.4, color=INK, linewidth=1)
    for n in sorted(range(len(milliseconds)), key=lambda n: -milliseconds[n])[:LABELLED]:
        axes.annotate(str(n + 1), (n + 1, milliseconds[n]), ha="center", va="bottom", color=INK, fontsize=8)
    axes.plot([], [], color=INK, linewidth=1, label="least time on this machine")
    axes.set_xlabel("step")
    axes.set_ylabel("milliseconds")
    axes.set_title(plain(f"{title}: {1000 * profile.seconds:.2f} ms for {profile.description}"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    return content_of(figure, form)
