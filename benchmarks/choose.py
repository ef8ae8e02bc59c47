"""Time two algorithms on either side of each threshold of refconv/_core/conv/choose.py.

    python -m benchmarks.choose --threads 2

A threshold is right where the first algorithm is slower below it and faster from it on, or the other way round for the largest
sizes that an algorithm takes. Near the threshold the two should differ little.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

import refconv
from benchmarks import measure
from refconv import Window, _core
from refconv._ascii import use_ascii_forms
from refconv._core.conv import choose
from refconv._core.conv.choose import Layer

THREE = Window((3, 3), padding=1)
FIVE = Window((5, 5))
NINE = Window((9, 9))
COLUMNS_OF_ONE_OUTPUT = 17 * 9 * 9 * 3  # products for each column of outputs: 17 rows, 81 taps, 3 channels


@dataclass(frozen=True)
class Threshold:
    """A constant of choose.py, the layer that has a given value of its quantity, and what is compared there."""

    name: str
    unit: str
    table: str
    algorithms: tuple[str, str]
    layer: Callable[[int], Layer]

    @property
    def values(self):
        """Values around the threshold, or those that a tuple lists."""
        limit = getattr(choose, self.name)
        return limit if isinstance(limit, tuple) else (limit // 2, limit * 3 // 4, limit, limit * 3 // 2, limit * 2)

    def runs(self, value):
        """Callables of both algorithms on the layer."""
        layer = self.layer(value)
        arrays = drawn(layer)[self.table]
        if self.table == "tiles":
            offset, size = zeros_before(layer), layer.output_size
            return {f"tiles {m}×{m}": partial(_core.kernels.winograd.conv2d, *arrays, offset, size, m) for m in (4, 2)}
        algorithms = getattr(_core.kernels.conv, self.table)
        return {name: partial(algorithms[name], layer, *arrays) for name in self.algorithms}


THRESHOLDS = (
    Threshold(
        "WINOGRAD_LEAST_CHANNELS",
        "channels",
        "FORWARD",
        ("winograd", "direct"),
        lambda channels: Layer(THREE, 16, (28, 28), channels, channels, 1, 4),
    ),
    Threshold(
        "WINOGRAD_LEAST_CHANNELS_DW",
        "channels",
        "BACKWARD_DW",
        ("winograd", "direct"),
        lambda channels: Layer(THREE, 16, (28, 28), channels, channels, 1, 4),
    ),
    Threshold(
        "WINOGRAD_LEAST_PIXELS",
        "pixels",
        "FORWARD",
        ("winograd", "direct"),
        lambda pixels: Layer(THREE, 1, (pixels // 5, 5), 64, 64, 1, 4),
    ),
    Threshold(
        "LARGE_TILES_LEAST_PIXELS",
        "pixels",
        "tiles",
        (),
        lambda pixels: Layer(THREE, 1, (pixels // 32, 32), 64, 64, 1, 4),
    ),
    Threshold(
        "DEPTHWISE_GROUP_SIZES",
        "channels in a group",
        "FORWARD",
        ("depthwise", "direct"),
        lambda channels: Layer(THREE, 4, (56, 56), 64, 64, 64 // channels, 4),
    ),
    Threshold(
        "COLUMNS_MOST_BYTES",
        "bytes a pixel",
        "BACKWARD_DX",
        ("columns", "direct"),
        lambda size: Layer(FIVE, 16, (32, 32), size // 4, 16, 1, 4),
    ),
    Threshold(
        "COLUMNS_MOST_PRODUCTS",
        "products in a band",
        "BACKWARD_DX",
        ("columns", "direct"),
        lambda products: Layer(NINE, 4, (32, products // COLUMNS_OF_ONE_OUTPUT + 8), 3, 16, 1, 4),
    ),
)


def drawn(layer):
    """Random arrays for each table of algorithms."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((layer.images, *layer.input_size, layer.C), np.float32)
    w = rng.standard_normal((*layer.window.kernel, layer.C // layer.groups, layer.O), np.float32)
    dy = rng.standard_normal((layer.images, *layer.output_size, layer.O), np.float32)
    return {"FORWARD": (x, w, None), "BACKWARD_DX": (dy, w), "BACKWARD_DW": (x, dy), "tiles": (x, w, None)}


def zeros_before(layer):
    """Zeros above and to the left of an image."""
    return tuple(before for before, _ in layer.window.pads(layer.input_size))


def table(thresholds, rounds):
    """Lines with the times of both algorithms around each threshold."""
    for threshold in thresholds:
        yield f"{threshold.name} = {getattr(choose, threshold.name)} {threshold.unit}"
        for value in threshold.values:
            seconds = measure.interleaved(threshold.runs(value), rounds)
            (first, t_first), (second, t_second) = seconds.items()
            times = f"{first} {1e3 * t_first:8.3f} ms   {second} {1e3 * t_second:8.3f} ms"
            yield f"{value:10}   {times}   {t_second / t_first:5.2f} times as fast"


def main(arguments=None):
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.choose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [threshold.name for threshold in THRESHOLDS]
    parser.add_argument("thresholds", nargs="*", metavar="THRESHOLD", help=f"one of {', '.join(names)}; default: all")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=5, help="of which the fastest counts (default: 5)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.thresholds if name not in names]
    if unknown:
        parser.error(f"THRESHOLD must be one of {', '.join(names)}, got {unknown[0]}")
    if not _core.ISA:
        parser.error("needs kernels")
    refconv.set_config(threads=options.threads)
    print(f"kernels {_core.ISA}, {options.threads} threads, float32")
    wanted = options.thresholds or names
    for line in table([threshold for threshold in THRESHOLDS if threshold.name in wanted], options.rounds):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
