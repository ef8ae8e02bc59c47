"""How refconv's cost grows, and what else it is compared with: loops, threads, sizes, and NumPy by hand.

    python -m benchmarks.scaling --threads 2

loops    what the loops of the book cost, in times of the kernels
threads  how much faster the rows of a billion operations and more are on all threads than on one
growth   the exponents with which time grows with batch, size and channels: those of the definition are 1, 2 and 2, and small
         problems have less, for some of their cost is fixed
plain    one convolution by im2col and a matrix product in NumPy, and by SciPy
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
    """Each small problem on both engines."""
    yield "What the loops cost, in times of the kernels:"
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
    """The large rows on one thread and on all."""
    yield f"Times as fast on {threads} threads as on one, of the rows with a billion operations or more:"
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
    """One convolution in growing sizes."""
    yield "The exponent with which the time of a 3×3 convolution grows:"
    for what, values in GROWTH.items():
        for work in ("forward", "backward"):
            problems = [replace(GROWING, **growing(what, value)) for value in values]
            runs = {k: problem.sides(work, [])["refconv"].run for k, problem in enumerate(problems)}
            seconds = list(measure.interleaved(runs, rounds).values())
            times = " ".join(f"{1e3 * t:.3f}" for t in seconds)
            yield f"  {what + ', ' + work:20} {slope(values, seconds):5.2f}   from {values[0]} to {values[-1]}: {times} ms"


def growing(what, value):
    """The fields of the problem that have this value."""
    return dict(inputs=value, outputs=value) if what == "channels" else {what: value}


def slope(sizes, seconds):
    """The exponent k of seconds ≈ constant · size^k, by least squares of the logarithms."""
    x, y = np.log(sizes), np.log(seconds)
    return float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


def plain(threads, rounds):
    """One convolution as one would write it without refconv."""
    a = PLAIN.draw("forward")
    sides = {"refconv": PLAIN.refconv("forward", a), **plain_sides(a["x"], a["w"], a["b"])}
    first = {name: side.read(side.run()) for name, side in sides.items()}
    for name, result in first.items():
        if measure.differences(first["refconv"], result) > 1e-3:
            raise SystemExit(f"not the same function: {name}")
    seconds = measure.interleaved({name: side.run for name, side in sides.items()}, rounds)
    yield f"{PLAIN.name}, forward, batch {PLAIN.images}, without refconv:"
    for name, time in seconds.items():
        yield line(name, time, f"{time / seconds['refconv']:.1f}×")


def plain_sides(x, w, b):
    """NumPy's and, where it is installed, SciPy's way to a convolution without padding and stride."""
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
    """All windows as rows of a matrix: a view by strides, which the reshaping copies."""
    kh, kw, C, O = w.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))
    rows = np.moveaxis(windows, 3, -1).reshape(-1, kh * kw * C)
    return (rows @ w.reshape(-1, O)).reshape(*windows.shape[:3], O) + b


def line(name, *cells):
    """A name, times in milliseconds, and what follows from them."""
    return f"  {name:38}" + "".join(f"{c:>9}" if isinstance(c, str) else f"{1e3 * c:11.3f} ms" for c in cells)


PARTS = {"loops": loops, "threads": threaded, "growth": growth, "plain": plain}


def main(arguments=None):
    """The command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all if not given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; the parts are {', '.join(PARTS)}")
    refconv.keep_freed_memory()
    for part in options.parts or PARTS:
        refconv.set_config(threads=options.threads)
        for text in PARTS[part](options.threads, options.rounds):
            print(text, flush=True)
        print()


if __name__ == "__main__":
    main()
