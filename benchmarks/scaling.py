"""Scaling of refconv with sizes and threads, and comparison with loops, NumPy and SciPy.

    python -m benchmarks.scaling --threads 2

loops    time of the loops of refconv.reference, as a multiple of the kernels' time
threads  speed-up on all threads compared with one, of the rows with at least a billion operations
growth   exponents with which the time grows with batch size, image size and channels; by the definition they are 1, 2 and 2,
         and they are smaller for small problems, because part of the cost is fixed
plain    one convolution in NumPy, by im2col and a matrix product, and in SciPy
"""

import argparse
from dataclasses import replace

import numpy as np

import refconv
from benchmarks import measure
from benchmarks.problems.convolution import Convolution
from benchmarks.problems.dense import Dense
from benchmarks.problems.pooling import MaxPooling
from benchmarks.rows import ROWS
from benchmarks.side import Side
from refconv._ascii import use_ascii_forms

BILLION = 10**9
GROWING = Convolution("3×3", 4, 32, 32, 32, padding=1)
GROWTH = {"images": (1, 2, 4, 8, 16, 32), "size": (16, 24, 32, 48, 64, 96), "channels": (16, 32, 48, 64, 96, 128)}
SMALL = (
    Convolution("convolution 3×3", 2, 16, 4, 8, padding=1),
    Convolution("convolution 3×3, two groups", 2, 16, 4, 8, padding=1, groups=2),
    MaxPooling("max pool 2×2", 4, 16, 8, window=2, stride=2),
    Dense("dense", 32, 100, 40),
)
PLAIN = Convolution("LeNet conv2", 64, 14, 6, 16, kernel=5)


def loops(threads, rounds):
    """Yield the times of each small problem on both engines."""
    yield "Time of the kernels, time of the loops, and their ratio:"
    for problem in SMALL:
        for work in ("forward", "backward"):
            run = problem.sides(work, [])["refconv"].run

            def on_loops(run=run):
                with refconv.config(engine="reference"):
                    return run()

            seconds = measure.interleaved({"kernels": run, "loops": on_loops}, rounds)
            factor = seconds["loops"] / seconds["kernels"]
            yield line(f"{problem.name}, {work}", seconds["kernels"], seconds["loops"], f"{factor:.0f}×")


def threaded(threads, rounds):
    """Yield the times of the large rows on one thread and on all threads."""
    yield f"Speed-up on {threads} threads compared with one, of the rows with at least a billion operations:"
    for row in ROWS:
        a = row.problem.draw(row.work)
        if row.problem.flops(row.work, a, []) < BILLION:
            continue
        run = row.problem.refconv(row.work, a).run

        def on(n, run=run):
            with refconv.config(threads=n):
                return run()

        seconds = measure.interleaved({n: lambda n=n, on=on: on(n) for n in (1, threads)}, rounds)
        yield line(row.name, seconds[1], seconds[threads], f"{seconds[1] / seconds[threads]:.2f}×")


def growth(threads, rounds):
    """Yield the times of one convolution for increasing sizes, and their exponents."""
    yield "The exponent with which the time of a 3×3 convolution grows:"
    for what, values in GROWTH.items():
        for work in ("forward", "backward"):
            problems = [replace(GROWING, **growing(what, value)) for value in values]
            runs = {k: problem.sides(work, [])["refconv"].run for k, problem in enumerate(problems)}
            seconds = list(measure.interleaved(runs, rounds).values())
            times = " ".join(f"{1e3 * t:.3f}" for t in seconds)
            yield f"  {what + ', ' + work:20} {slope(values, seconds):5.2f}   from {values[0]} to {values[-1]}: {times} ms"


def growing(what, value):
    """Return the fields of the problem that have this value."""
    return dict(inputs=value, outputs=value) if what == "channels" else {what: value}


def slope(sizes, seconds):
    """Return the exponent k of seconds ≈ constant · size^k, by least squares of the logarithms."""
    x, y = np.log(sizes), np.log(seconds)
    return float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


def plain(threads, rounds):
    """Yield the times of one convolution with refconv, with NumPy and with SciPy."""
    a = PLAIN.draw("forward")
    sides = {"refconv": PLAIN.refconv("forward", a), **plain_sides(a["x"], a["w"], a["b"])}
    first = {name: side.read(side.run()) for name, side in sides.items()}
    for name, result in first.items():
        if measure.differences(first["refconv"], result) > 1e-3:
            raise SystemExit(f"{name} must compute the same result as refconv, got a different one")
    seconds = measure.interleaved({name: side.run for name, side in sides.items()}, rounds)
    yield f"{PLAIN.name}, forward, batch {PLAIN.images}, without refconv:"
    for name, time in seconds.items():
        yield line(name, time, f"{time / seconds['refconv']:.1f}×")


def plain_sides(x, w, b):
    """Return the sides of NumPy and, if installed, SciPy: without padding, with stride 1."""
    sides = {"NumPy: im2col by strides, and matmul": Side(lambda: im2col_convolution(x, w, b))}
    try:
        from scipy.signal import correlate
    except ImportError:
        return sides

    def correlated():
        maps = [[correlate(image, w[..., o], "valid", "direct")[..., 0] for o in range(w.shape[3])] for image in x]
        return np.moveaxis(np.array(maps), 1, -1) + b

    return {**sides, "scipy.signal.correlate, map by map": Side(correlated)}


def im2col_convolution(x, w, b):
    """Return a convolution as a matrix product whose rows are the windows.

    The windows are a view by strides, which the reshape copies.
    """
    kh, kw, C, O = w.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))
    rows = np.moveaxis(windows, 3, -1).reshape(-1, kh * kw * C)
    return (rows @ w.reshape(-1, O)).reshape(*windows.shape[:3], O) + b


def line(name, *cells):
    """Return a line of the output: a name, times in milliseconds, and texts."""
    return f"  {name:38}" + "".join(f"{c:>9}" if isinstance(c, str) else f"{1e3 * c:11.3f} ms" for c in cells)


PARTS = {"loops": loops, "threads": threaded, "growth": growth, "plain": plain}


def main(arguments=None):
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one or more of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"PART must be one of {', '.join(PARTS)}, got {part!r}")
    refconv.keep_freed_memory()
    for part in options.parts or PARTS:
        refconv.set_config(threads=options.threads)
        for text in PARTS[part](options.threads, options.rounds):
            print(text, flush=True)
        print()


if __name__ == "__main__":
    main()
