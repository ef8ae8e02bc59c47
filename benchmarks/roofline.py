"""Roofline plot of a run: operations per second over operations per byte, for each row."""

import io
import math

from refconv._optional import need

__all__ = ["Box", "numbers_beside", "picture"]

# Okabe and Ito's colours, which people with colour blindness can distinguish.
OURS, PEER, ROOF = "#0072B2", "#D55E00", "#444444"
PER_COLUMN, KEY = 24, 2.6  # rows in a column of the key, and width of a column in inches
FONT, MARKER = 8, 7  # sizes in points
REACH = 40  # number of circles on which a place for a number is searched


def picture(table, machine) -> bytes:
    """Return the plot as a PNG.

    It shows the machine's roofs, and for each row a point for refconv and one for the fastest library that it is compared
    with. The rows are numbered; a key beside the plot lists their names.
    """
    figures = need("matplotlib.figure", "train", "drawing a roofline")
    key = KEY * math.ceil(len(table) / PER_COLUMN)
    width = 9 + key
    figure = figures.Figure(figsize=(width, 7), dpi=120, layout="none")
    axes = figure.add_axes([0.75 / width, 0.09, (width - key - 1) / width, 0.85])
    points = [(row.flops / row.bytes, row.flops / row.seconds["refconv"] / 1e9) for row in table]
    theirs = [row.fastest and row.flops / row.fastest / 1e9 for row in table]
    _frame(axes, points, theirs, machine)
    _roofs(axes, machine, {row.dtype for row in table})
    for (x, y), their in zip(points, theirs, strict=True):
        if their:
            axes.plot([x, x], [y, their], color="#bbbbbb", linewidth=0.8, zorder=1)
            axes.plot(x, their, "D", color=PEER, markersize=4, markerfacecolor="white", zorder=2)
        axes.plot(x, y, "o", color=OURS, markersize=5, zorder=3)
    _numbers(axes, points, [(x, their) for (x, _), their in zip(points, theirs, strict=True) if their])
    axes.plot([], [], "o", color=OURS, label="refconv")
    axes.plot([], [], "D", color=PEER, markerfacecolor="white", label="fastest library that it is compared with")
    axes.legend(loc="lower right", fontsize=FONT)
    for k, row in enumerate(table):
        place = ((width - key + KEY * (k // PER_COLUMN)) / width, 0.93 - 0.036 * (k % PER_COLUMN))
        figure.text(*place, f"{k + 1}  {row.name}, {row.work}", fontsize=FONT)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _frame(axes, points, theirs, machine):
    xs, ys = zip(*points, strict=True)
    ys = [*ys, *(their for their in theirs if their)]
    axes.set(xscale="log", yscale="log", xlabel="operations for each byte", ylabel="GFLOP/s")
    axes.set_xlim(min(xs) / 2, max(xs) * 2)
    axes.set_ylim(min(ys) / 2, 1.6 * max(*ys, *(peak / 1e9 for peak in machine.peak.values())))
    axes.grid(alpha=0.25, which="major")


def _roofs(axes, machine, dtypes):
    """Draw the roofs: sloping lines for memory and the fastest cache, level lines for the peak."""
    left, right = axes.get_xlim()
    peak, fastest = max(machine.peak[dtype] for dtype in dtypes), max(machine.by_size.values())
    line = dict(color=ROOF, linewidth=1.2, zorder=0)
    for name, bandwidth, style in (("memory", machine.bandwidth(), "-"), ("the fastest cache", fastest, "--")):
        ends = [left, peak / bandwidth]
        axes.plot(ends, [x * bandwidth / 1e9 for x in ends], style, label=f"{name}, {bandwidth / 1e9:.0f} GB/s", **line)
    for dtype in sorted(dtypes):
        level, knee = machine.peak[dtype], machine.peak[dtype] / fastest
        axes.plot([knee, right], [level / 1e9] * 2, **line)
        axes.text(
            1.4 * knee, 1.03 * level / 1e9, f"{dtype}, {level / 1e9:.0f} GFLOP/s", color=ROOF, fontsize=FONT, va="bottom"
        )


def _numbers(axes, points, others):
    """Draw each point's number, beside the point or at the end of a thin line."""
    to_points = 72 / axes.figure.dpi
    spots = [tuple(to_points * v for v in axes.transData.transform(point)) for point in points]
    taken = [Box(x, y, MARKER, MARKER) for x, y in spots]
    taken += [Box(*(to_points * v for v in axes.transData.transform(point)), MARKER, MARKER) for point in others]
    sizes = [(0.65 * FONT * len(str(k + 1)) + 2, FONT + 1) for k in range(len(points))]
    text = dict(fontsize=FONT, ha="center", va="center", textcoords="offset points", zorder=4)
    for k, (point, spot, box) in enumerate(zip(points, spots, numbers_beside(spots, sizes, taken), strict=True)):
        offset = (box.x - spot[0], box.y - spot[1])
        far = math.hypot(*offset) > 1.3 * FONT
        arrow = dict(arrowstyle="-", linewidth=0.5, color="#888888", shrinkA=0, shrinkB=2) if far else None
        axes.annotate(str(k + 1), point, offset, arrowprops=arrow, **text)


class Box:
    """Rectangle with a centre and a size."""

    def __init__(self, x, y, width, height):
        self.x, self.y, self.width, self.height = x, y, width, height

    def overlaps(self, other):
        return 2 * abs(self.x - other.x) < self.width + other.width and 2 * abs(self.y - other.y) < self.height + other.height


def numbers_beside(spots, sizes, taken):
    """Return a box near each spot that overlaps no other box.

    The label must not overlap the boxes in ``taken``. Candidates are on circles of increasing radius around the spot. If
    all of them overlap, the box is placed on the spot.
    """
    taken, placed = list(taken), []
    for (x, y), (width, height) in zip(spots, sizes, strict=True):
        candidates = (
            Box(x + (0.7 + step) * height * math.cos(turn), y + (0.7 + step) * height * math.sin(turn), width, height)
            for step in (0.3 * k for k in range(REACH))
            for turn in (math.pi * k / 8 for k in range(16))
        )
        box = next((box for box in candidates if not any(box.overlaps(other) for other in taken)), None)
        placed.append(box or Box(x, y, width, height))
        taken.append(placed[-1])
    return placed
