"""Largest rounding errors of the kernels, in units in the last place.

    python -m benchmarks.ulp                        the table of docs/rounding.md
    python -m benchmarks.ulp --rows conv2d dense    some operators
    python -m benchmarks.ulp --outputs 10000        fewer outputs
    python -m benchmarks.ulp --compare FOLDER FOLDER    the weights of two training runs

Each operator of the catalogue and all its derivatives run on random and adversarial numbers until 100,000 outputs are
compared, in float32 and float64, on each instruction set of this machine. The exact results are the operators in NumPy on the
same numbers in 80-bit long double, which has 11 bits more than float64; other machines are refused.

The error of an element is divided by the spacing of floats at a magnitude m. An error of ½ is as small as possible.

    Σ     sums of products: m is the sum of the magnitudes of the terms, so cancellation does not matter
    y     functions of one element: m is the magnitude of the exact output
    max   all others, and derivatives of functions of one element: m is the largest magnitude in all arrays of the call,
          inputs and results

The numbers are normal, have magnitudes that differ by up to 2^20, cancel in pairs but for a few last bits, or are just below
powers of two, so that all bits of their mantissas are set.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

import refconv
from refconv import _core
from refconv._ascii import use_ascii_forms
from refconv._config import config
from refconv.ops import check
from refconv.verify.case import Arguments, Case, fill, floats
from refconv.verify.catalogue import OPERATORS, UPDATES

PAGE = Path(__file__).parents[1] / "docs" / "rounding.md"
DTYPES = ("float32", "float64")
OUTPUTS = 100_000
LARGER = 64  # factor of the first axis of x, so that a call has many outputs
# The norm of gradient clipping is always computed in float64.
ROWS = {**OPERATORS, **{name: row for name, row in UPDATES.items() if name != "optim.clip_by_global_norm"}}
AVERAGES = {"avg_pool1d", "avg_pool2d", "global_avg_pool1d", "global_avg_pool2d", "upsample2d", "adaptive_avg_pool2d"}
OF_ONE_ELEMENT = {"relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "dropout", "max_pool1d", "max_pool2d"}
# Cases of further algorithms (Winograd's, sums that are added block by block), and more outputs of losses.
MORE = {
    "conv2d": Case({"x": (2, 13, 12, 33), "w": (3, 3, 33, 35), "b": (35,)}, {"padding": 1}),
    "dense": Case({"x": (64, 1500), "w": (1500, 33), "b": (33,)}),
    "batch_norm": Case({"x": (3000, 19), "gamma": (19,), "beta": (19,)}, {"eps": 1e-3}),
    "softmax_cross_entropy": Case({"logits": (500, 7)}, {"label_smoothing": 0.1}, {"labels": np.arange(500) % 7}),
    "mean_squared_error": Case({"predictions": (500, 7), "targets": (500, 7)}),
    "binary_cross_entropy": Case({"logits": (3500,)}, {"pos_weight": 2.5}, {"targets": np.arange(3500) % 2}),
}


def main(arguments=None):
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ulp", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME", help="operators")
    parser.add_argument("--outputs", type=int, default=OUTPUTS, help="outputs of each operator and type")
    parser.add_argument("--measure", action="store_true", help="print the errors of this process's instruction set as JSON")
    parser.add_argument("--compare", nargs=2, metavar="FOLDER", help="compare the weights of two runs of refconv train")
    options = parser.parse_args(arguments)
    if options.compare:
        print(f"largest difference of a weight, relative to the largest weight of its array: {drift(*options.compare):.2g}")
        return
    if np.finfo(np.longdouble).nmant < 63:
        parser.error("needs a machine whose long double has 64 bits of mantissa or more")
    if options.measure:
        print(json.dumps({name: measure(ROWS[name], options.outputs) for name in options.rows}))
        return
    errors = {isa: measure_in_subprocess(isa, options) for isa in reversed(_core.instruction_sets())}
    print("\n".join(table(errors, options.rows)))


def drift(first, second):
    """Return the largest difference of parameters, relative to the parameter's largest element."""
    networks = [refconv.load(Path(folder) / "model.safetensors").named_parameters() for folder in (first, second)]
    pairs = [(networks[0][name].value, parameter.value) for name, parameter in networks[1].items()]
    return float(max(np.max(np.abs(a - b)) / np.max(np.abs(a)) for a, b in pairs if np.any(a)))


def measure_in_subprocess(isa, options):
    """Return the errors of one instruction set, measured in a process that uses it."""
    command = [sys.executable, "-m", "benchmarks.ulp", "--measure", "--outputs", str(options.outputs), "--rows", *options.rows]
    environment = {**os.environ, "REFCONV_ISA": isa, "PYTHONIOENCODING": "utf-8"}
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout)


def table(errors, names):
    """Return the lines of a Markdown table.

    ``errors[isa][name]`` are the errors of an operator, one for each type.
    """
    head = ["operator", "unit", *(f"{isa}, {dtype}" for isa in errors for dtype in DTYPES)]
    rows = [
        [f"`{name}`", unit_of(ROWS[name]), *(f"{error:.2g}" for of_isa in errors.values() for error in of_isa[name])]
        for name in names
    ]
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---", "---", *["--:"] * (len(head) - 2)], *rows)]


def unit_of(operator):
    """Return the unit of an operator's outputs: "Σ", "y" or "max"."""
    if operator.nature == "linear" or operator.name in AVERAGES:
        return "Σ"
    return "y" if operator.name in OF_ONE_ELEMENT else "max"


def measure(operator, outputs):
    """Return the largest error of an operator and its derivatives, for each type."""
    return [max(errors_of(operator, np.dtype(dtype).type, outputs)) for dtype in DTYPES]


def errors_of(operator, dtype, outputs):
    """Yield the largest error of each call, until enough outputs were compared.

    Each case is called with each kind of numbers at least once.
    """
    shapes = [larger(operator, case) for case in operator.fixed] + [MORE[name] for name in MORE if name == operator.name]
    count = seed = 0
    while count < outputs or seed < len(KINDS) * len(shapes):
        kind = KINDS[seed % len(KINDS)]
        a = filled(operator, shapes[seed // len(KINDS) % len(shapes)], kind, dtype, seed)
        with config(engine="kernels"), np.errstate(all="ignore"):
            found = operator.results(a)
        expected = in_long_double(operator, a)
        magnitudes = in_long_double(operator, mapped(a, np.abs)) if unit_of(operator) == "Σ" else expected
        arrays = [*map(np.asarray, a.arrays.values()), *expected.values()]
        largest = max(np.max(np.abs(x), initial=0, where=np.isfinite(x)) for x in arrays)
        for name, y in found.items():
            is_of_one_element = unit_of(operator) == "Σ" or (unit_of(operator) == "y" and name == "y")
            yield largest_error(y, expected[name], np.abs(magnitudes[name]) if is_of_one_element else largest, dtype)
            count += y.size
        seed += 1


def largest_error(y, expected, m, dtype):
    """Return the largest error in units of the spacing of floats at m, without overflows."""
    m = np.broadcast_to(m, expected.shape)
    compared = np.isfinite(expected) & np.isfinite(y) & (m < np.finfo(dtype).max)
    spacing = np.spacing(m[compared].astype(dtype)).astype(np.longdouble)
    return float(np.max(np.abs(np.asarray(y)[compared] - np.asarray(expected)[compared]) / spacing, initial=0))


def larger(operator, case):
    """Return the case with a longer first axis of x, if the operator accepts it.

    Optimisers get larger parameters w.
    """
    if operator.name in UPDATES:
        return replace(case, shapes={**case.shapes, "w": (40, 50), "dw": (len(case.options["lr"]), 40, 50)})
    if "x" not in case.shapes:
        return case
    count, *others = case.shapes["x"]
    changed = replace(case, shapes={**case.shapes, "x": (LARGER * count, *others)})
    try:
        operator(fill(changed, floats))
    except ValueError:
        return case
    return changed


def filled(operator, case, kind, dtype, seed):
    """Return the arguments of a case, with ∂e/∂y as the array dy."""

    def make(name, shape, rng, positive):
        x = np.asarray(kind(shape, rng, np.finfo(dtype).eps, operator.nature == "linear"), dtype)
        return np.abs(x) + dtype(1e-3) if positive else x

    a = fill(case, make, seed)
    with config(engine="kernels"), np.errstate(all="ignore"):
        shape = np.shape(operator(a))
    return a.with_arrays(dy=make("dy", shape, np.random.default_rng(seed + 1), False))


def in_long_double(operator, a):
    """Return the results in long double, computed by NumPy."""
    with (
        mock.patch.object(check, "FLOATS", (*check.FLOATS, np.dtype(np.longdouble))),
        config(engine="numpy"),
        np.errstate(all="ignore"),
    ):
        same = ROWS[operator.name.removeprefix("fft_")]  # the loops of the Fourier transform are slow and less exact
        return same.results(mapped(a, lambda x: x.astype(np.longdouble)))


def mapped(a, function):
    """Return the arguments with a function applied to each array."""
    return Arguments({name: function(np.asarray(x)) for name, x in a.arrays.items()}, a.options, a.given)


def normal(shape, rng, eps, is_linear):
    """Return normal random numbers."""
    return rng.standard_normal(shape)


def wide_exponents(shape, rng, eps, is_linear):
    """Return numbers whose exponents differ by up to 20; only linear operators get large ones."""
    return rng.standard_normal(shape) * 2.0 ** rng.integers(-10 if is_linear else -18, 11 if is_linear else 3, shape)


def cancelling(shape, rng, eps, is_linear):
    """Return pairs of numbers that cancel but for a few last bits."""
    x = rng.standard_normal(shape)
    flat = x.reshape(-1)
    pairs = flat.size // 2
    flat[1 : 2 * pairs : 2] = -flat[: 2 * pairs : 2] * (1 + rng.integers(-3, 4, pairs) * eps)
    return x


def long_mantissas(shape, rng, eps, is_linear):
    """Return numbers just below powers of two, with random signs."""
    return rng.choice([-1, 1], shape) * (2.0 ** rng.integers(-3, 3, shape) * (1 - rng.integers(1, 4, shape) * eps / 2))


KINDS = (normal, wide_exponents, cancelling, long_mantissas)


if __name__ == "__main__":
    main()
