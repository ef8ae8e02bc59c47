"""F19: a depthwise separable layer needs a ninth of the weights and of the multiply-adds.

    python figures/f19_counts.py --show

Each variant has 256 input and 256 output channels of 28 × 28 pixels; the layers count their own weights, without biases.
With stride 1 each weight is used once per pixel, so one bar shows both weights and multiply-adds. What each variant gives
up: a kernel of rank one is the product of two vectors; groups share no channels; a bottleneck reduces everything to fewer
channels; a depthwise kernel does not mix channels; dilation skips pixels.
Source: lecture rows F19, B7 and C4–C7 (SOURCES.md).
"""

import canvas

from refconv.analysis.summary import stages
from refconv.nn import Conv2D, DepthwiseConv2D, Sequential

SIZE, K, NARROW, GROUPS = 28, 256, 64, 8


def conv(kernel, filters=K, **arguments):
    return Conv2D(filters, kernel, padding="same", bias=False, **arguments)


def variants():
    """Return the variants by receptive field, 3 × 3 and 7 × 7, the plain convolution first."""
    bottleneck = Sequential(conv(1, NARROW), conv(3, NARROW), conv(1))
    separable = Sequential(depthwise=DepthwiseConv2D(3, padding="same", bias=False), pointwise=conv(1))
    return {
        3: {
            "plain": conv(3),
            "spatially separable: 3×1, 1×3": Sequential(conv((3, 1)), conv((1, 3))),
            f"in {GROUPS} groups": conv(3, groups=GROUPS),
            f"bottleneck of {NARROW}: 1×1, 3×3, 1×1": bottleneck,
            "depthwise separable: 3×3, 1×1": separable,
        },
        7: {
            "plain": conv(7),
            "three times 3×3": Sequential(*(conv(3) for _ in range(3))),
            "3×3 with dilation 3": conv(3, dilation=3),
        },
    }


def counts(layer):
    """Return weights, multiply-adds and receptive field of a layer."""
    shape = SIZE, SIZE, K
    last = stages(Sequential(layer), shape)[-1]
    assert last.output == shape
    assert last.parameters * SIZE**2 == last.multiply_adds
    return last.parameters, last.multiply_adds, last.receptive_field


def draw():
    """Draw a bar for each variant, relative to the plain convolution of the same window."""
    figure = canvas.canvas("The same window with a fraction of the weights and of the work")
    groups = variants()
    panels = figure.subplots(len(groups), 1, sharex=True, height_ratios=[len(group) for group in groups.values()])
    for axes, (window, group), colour in zip(panels, groups.items(), (canvas.BLUE, canvas.GREEN), strict=True):
        plain, _, _ = counts(group["plain"])
        for k, (name, layer) in enumerate(group.items()):
            weights, products, seen = counts(layer)
            assert seen == (window, window), f"{name} has receptive field {seen}"
            share = 100 * weights / plain
            axes.barh(k, share, height=0.68, color=colour if k else canvas.GREY)
            label = f"{weights / 1e3:,.0f} K weights, {products / 1e6:,.0f} M multiply-adds"
            inside = share > 54
            axes.text(1 if inside else share + 1, k, label, va="center", fontsize=12, color="white" if inside else canvas.INK)
        axes.set_yticks(range(len(group)), group, color=canvas.INK)
        axes.set_title(f"receptive field {window} × {window}", loc="left", fontsize=14, weight="bold")
        axes.set(ylim=(len(group) - 0.5, -0.5), xlim=(0, 100))
        axes.tick_params(axis="y", length=0)
    panels[-1].set_xlabel("weights, and multiply-adds, in % of the plain convolution")
    return figure


if __name__ == "__main__":
    canvas.main(draw)
