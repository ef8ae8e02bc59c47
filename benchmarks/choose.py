"""Time two algorithms on both sides of each threshold of refconv/_core/conv/choose.py.

    python -m benchmarks.choose --threads 2

A lower threshold is right if the first algorithm is slower below it and faster from it on; for an upper threshold, it is the
other way round. Near the threshold, the two times should differ little.
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
    """Constant of choose.py, with a layer for each value and the two algorithms to compare."""

    name: str
    unit: str
    table: str
    algorithms: tuple[str, str]
    layer: Callable[[int], Layer]

    @property
    def values(self):
        """Values around the threshold, or the values of the constant if it is a tuple."""
        limit = getattr(choose, self.name)
        return limit if isinstance(limit, tuple) else (limit // 2, limit * 3 // 4, limit, limit * 3 // 2, limit * 2)

    def runs(self, value):
        """Return a callable for each algorithm, which runs it on the layer."""
        layer = self.layer(value)
        arrays = drawn(layer)[self.table]
        if self.table == "tiles":
            offset, size = zeros_before(layer), layer.output_size
            return {f"tiles {m}×{m}": partial(_core.kernels.winograd.conv2d, *arrays, offset, size, m) for m in (4, 2)}
        algorithms = getattr(_core.kernels.conv, self.table)
        if self.table == "FORWARD":
            return {name: partial(forward, algorithms[name], layer, *arrays) for name in self.algorithms}
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
    """Draw random arrays for each table of algorithms."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((layer.images, *layer.input_size, layer.C), np.float32)
    w = rng.standard_normal((*layer.window.kernel, layer.C // layer.groups, layer.O), np.float32)
    dy = rng.standard_normal((layer.images, *layer.output_size, layer.O), np.float32)
    return {"FORWARD": (x, w, None), "BACKWARD_DX": (dy, w), "BACKWARD_DW": (x, dy), "tiles": (x, w, None)}


def forward(prepare, layer, x, w, bias):
    """Prepare an algorithm of the forward pass and run it once."""
    y = np.empty((layer.images, *layer.output_size, layer.O), x.dtype)
    prepare(layer, w, bias)(x, y)
    return y


def zeros_before(layer):
    """Return the numbers of padding rows above and padding columns to the left of an image."""
    return tuple(before for before, _ in layer.window.pads(layer.input_size))


def table(thresholds, rounds):
    """Yield lines with the times of both algorithms around each threshold."""
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
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds, the fastest of which counts (default: 5)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.thresholds if name not in names]
    if unknown:
        parser.error(f"THRESHOLD must be one of {', '.join(names)}, got {unknown[0]}")
    if not _core.ISA:
        parser.error("the benchmark needs kernels, but refconv was built without them (REFCONV_PURE=1)")
    refconv.set_config(threads=options.threads)
    print(f"kernels {_core.ISA}, {options.threads} threads, float32")
    selected = options.thresholds or names
    for line in table([threshold for threshold in THRESHOLDS if threshold.name in selected], options.rounds):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
