"""Table of operators and special values: the same result on all engines, or a refusal.

    python -m tests.special_values          print the table of docs/special_values.md

Each cell is computed. A special value is put into each floating array of a case in turn, and the operator and its
derivatives run on the loops, in NumPy and on the kernels of this process (``REFCONV_ISA`` selects them). Layouts change the
memory of an array but not its elements, so each engine must return the same bits as for the plain array. :class:`Different`
is raised if an engine breaks the promise of a cell.
"""

import re
from dataclasses import dataclass, replace

import numpy as np

from refconv._config import AVAILABLE_ENGINES, config
from refconv.nn import Parameter
from refconv.verify.case import fill, floats, integers
from refconv.verify.catalogue import FORMS, OPERATORS, UPDATES
from refconv.verify.catalogue.steps import NAMES, convert
from refconv.verify.operator import lookup

__all__ = ["COLUMNS", "FOOTNOTES", "ROWS", "Different", "cells", "table"]

ROWS = {**OPERATORS, "separate_rank1": FORMS["separate_rank1"], **UPDATES}  # all other forms are loops only
DTYPES = (np.float32, np.float64)
ADDED = ("b", "beta")  # arrays that are added to a product: beside an ordinary one, a denormal product is invisible
LIKE_OTHERS = ("k", "early", "late", "dk", "dearly", "dlate")  # parameters of optimisers beside w and b, and gradients
REFUSAL = re.compile(r"^[\w ]+ must (be|not be|have|contain|give) .*, got ", re.DOTALL)

# Shapes that fill a vector and leave a remainder, with the options of the first fixed case.
WIDE = {
    "conv2d": {"x": (1, 3, 4, 3), "w": (2, 2, 3, 19), "b": (19,)},
    "dense": {"x": (2, 19), "w": (19, 35), "b": (35,)},
    "max_pool2d": {"x": (1, 4, 6, 19)},
    "batch_norm": {"x": (3, 19), "gamma": (19,), "beta": (19,)},
    **{name: {"x": (3, 37)} for name in ("relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "softmax", "log_softmax")},
}
# Operators that copy or select elements, or map each one: their zeros have the sign that the loops give.
SIGNED = {"max_pool1d", "max_pool2d", "pad", "im2col", "zero_stuff", "dropout"}
SIGNED |= {"relu", "relu6", "leaky_relu", "elu", "tanh"}


class Different(AssertionError):  # noqa: N818 a verdict
    """Raised if an engine does not return what a cell of the table promises."""


@dataclass(frozen=True)
class Footnote:
    """Weaker promise of some cells.

    ``differ`` is "infinities" or "overflow": see :func:`assert_agree`.
    """

    words: str
    differ: str
    cells: dict[str, tuple[str, ...]]  # columns by operator


INFINITE = ("+∞", "−∞")
FOOTNOTES = {
    "¹": Footnote(
        "Elements are non-finite on all engines or on none, but one may be NaN on one engine and an infinity on another: the "
        "discrete and the fast Fourier transform, or sums over the positions before and after a product with γ, meet "
        "∞ − ∞ in different places.",
        "infinities",
        {**dict.fromkeys(("fft_convolve1d", "fft_convolve2d", "group_norm", "layer_norm"), INFINITE)},
    ),
    "²": Footnote(
        "An intermediate result overflows, such as a variance, γ / √(σ² + ε), or one of two huge terms of a sum. The engines "
        "multiply and divide in different orders, so one may return an infinity or NaN where another returns a number. "
        "Elements that are finite on two engines agree. With elements up to the cube root of the largest float, all agree.",
        "overflow",
        dict.fromkeys(
            (
                *("fft_convolve1d", "fft_convolve2d", "separable_conv2d", "p4_lift_conv2d", "p4_conv2d"),
                *("batch_norm", "batch_norm_inference", "group_norm", "layer_norm", "instance_norm", "mean_squared_error"),
            ),
            ("huge",),
        ),
    ),
}


def unaligned(a):
    """Return a copy whose address is not a multiple of the size of an element."""
    copy = np.frombuffer(bytearray(a.nbytes + 1), a.dtype, a.size, 1).reshape(a.shape)
    copy[...] = a
    return copy


def non_contiguous(a):
    """Return a view of every second element of an array full of NaN."""
    view = np.full((*a.shape, 2), np.nan, a.dtype)[..., 0]
    view[...] = a
    return view


def read_only(a):
    """Return a copy that must not be changed."""
    a = a.copy()
    a.flags.writeable = False
    return a


def with_element(value):
    """Return a function that replaces the middle element of a copy by ``value(finfo)``."""

    def changed(a):
        a = a.copy()
        a.flat[a.size // 2] = value(np.finfo(a.dtype))
        return a

    return changed


def zeros(a):
    """Return zeros whose signs alternate, so that −0 and 0 are equal maxima."""
    a = np.zeros_like(a)
    a.flat[::2] = -0.0
    return a


def denormal(a):
    """Return small integers multiplied by a power of two below the normal floats."""
    return (a * 2.0 ** (np.finfo(a.dtype).minexp - 9)).astype(a.dtype)


VALUES = {
    "NaN": [with_element(lambda _: np.nan)],
    "+∞": [with_element(lambda _: np.inf)],
    "−∞": [with_element(lambda _: -np.inf)],
    "−0": [zeros],
    "denormal": [denormal],
    "huge": [with_element(lambda f, sign=sign: sign * f.max * 0.75) for sign in (1, -1)],
    "large": [with_element(lambda f: 2.0 ** (f.maxexp // 3 - 2))],  # no column: see the second footnote
}
LAYOUTS = {
    "non-contiguous": non_contiguous,
    "read-only": read_only,
    "unaligned": unaligned,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
}
COLUMNS = (*[name for name in VALUES if name != "large"], "empty", *LAYOUTS)


def cases(operator, thorough):
    """Return pairs of a case and a dtype.

    Unless ``thorough``, these are two fixed cases and the wide one, with one dtype for each.
    """
    wide = [replace(operator.fixed[0], shapes=WIDE[operator.name])] if operator.name in WIDE else []
    if thorough:
        return [(case, dtype) for case in (*operator.fixed, *wide) for dtype in DTYPES]
    return list(zip((*operator.fixed[:2], *wide), (*DTYPES, np.float32), strict=False))


def filled(operator, case, dtype, make=floats):
    """Return the arguments of a case, with ∂e/∂y as dy if there are derivatives."""
    a = fill(case, lambda *arguments: make(*arguments).astype(dtype))
    if not operator.derivatives:
        return a
    with config(engine="reference"):
        shape = np.shape(operator(a))
    return a.with_arrays(dy=np.asarray(make("dy", shape, np.random.default_rng(1), False), dtype))


def results(operator, a, engine):
    """Return the output and all derivatives on an engine, or the message of a refusal."""
    return attempted(
        lambda: [operator(a), *(d for derivative in operator.derivatives for d in derivative(a).values())], engine
    )


def attempted(compute, engine):
    """Return the arrays that ``compute`` returns on an engine, or the message of a refusal."""
    with config(engine=engine), np.errstate(all="ignore"):
        try:
            found = compute()
        except (TypeError, ValueError) as error:
            if not REFUSAL.match(str(error)):
                raise Different(f"{engine}: a refusal must read '… must be …, got …', got {error!r}") from error
            return str(error)
    return [np.array(array) for array in found]


def assert_agree(operator, ordinary, expected, actual, differ=""):
    """Raise :class:`Different` unless an engine's results agree with the loops.

    ``ordinary`` are the results of the loops without the special value. Elements that it does not change must be as accurate
    as usual. If ``differ`` is "infinities", an element may be NaN on one engine and infinite on the other. If it is
    "overflow", it may also be finite on one of them only.
    """
    if isinstance(expected, str) or isinstance(actual, str):
        if not (isinstance(expected, str) and isinstance(actual, str)):
            raise Different(f"one engine refuses, the other does not: {expected!r}, {actual!r}")
        return
    for usual, e, a in zip(ordinary, expected, actual, strict=True):
        if (e.dtype, e.shape) != (a.dtype, a.shape):
            raise Different(f"loops give {e.dtype} {e.shape}, the other engine gives {a.dtype} {a.shape}")
        kinds = {"": (np.isnan, np.isposinf, np.isneginf), "infinities": (np.isfinite,), "overflow": ()}[differ]
        for kind in kinds:
            if (kind(e) != kind(a)).any():
                raise Different(f"{kind.__name__} differs: loops give {e.tolist()}, the other engine gives {a.tolist()}")
        finite = np.isfinite(e) & np.isfinite(a)
        info = np.finfo(e.dtype)
        largest = [np.max(np.abs(x), initial=0, where=np.isfinite(x)) for x in (usual, e)]
        scale = np.where(e == usual, *map(np.float64, largest))
        with np.errstate(all="ignore"):
            error = np.abs(e.astype(np.longdouble) - a)
        wrong = finite & ~(error <= operator.slack * (float(info.eps) * scale + float(info.smallest_subnormal)))
        if wrong.any():
            raise Different(f"loops give {e[wrong].tolist()}, the other engine gives {a[wrong].tolist()}")


def footnote(operator, column):
    """Return the mark of a cell's footnote, or ""."""
    return next((mark for mark, note in FOOTNOTES.items() if column in note.cells.get(operator.name, ())), "")


def value_cell(operator, column, thorough):
    """Check one value in each array of each case; return the text of the cell."""
    mark = footnote(operator, column)
    accepted, refused = {}, {}
    for case, dtype in cases(operator, thorough):
        plain = filled(operator, case, dtype, integers if column == "denormal" else floats)
        ordinary = results(operator, plain, "reference")
        names = [name for name in plain.arrays if thorough or name not in LIKE_OTHERS]
        for name in [name for name in names if column != "denormal" or name not in ADDED]:
            for change in VALUES[column]:
                changed = {name} | (set(ADDED) & set(names) if column == "denormal" else set())
                a = plain.with_arrays(**{other: change(plain.arrays[other]) for other in changed})
                expected, *others = (results(operator, a, engine) for engine in reversed(AVAILABLE_ENGINES))
                (refused if isinstance(expected, str) else accepted)[name] = None
                for actual in others:
                    try:
                        assert_agree(operator, ordinary, expected, actual, FOOTNOTES[mark].differ if mark else "")
                        if column == "−0" and operator.name in SIGNED and not isinstance(actual, str):
                            assert_same_sign(expected[0], actual[0])
                    except Different as error:
                        raise Different(f"{operator.name}, {column} in {name}, {case}: {error}") from None
    if not refused:
        return "same sign" if column == "−0" and operator.name in SIGNED else f"same{mark}"
    return "refused" if not accepted else f"same{mark}; refused in {', '.join(refused)}"


def assert_same_sign(expected, actual):
    """Raise :class:`Different` if a zero has another sign."""
    if (np.signbit(expected) != np.signbit(actual)).any():
        raise Different(f"zeros differ in sign: loops give {expected.tolist()}, the other engine gives {actual.tolist()}")


def emptied(operator, case):
    """Yield an array's name, an axis, and the case in which this axis is empty.

    In a second case, all axes of the same length are empty. Parameters of an optimiser have gradients of the same shape,
    with an axis for the steps before it.
    """
    for name, shape in case.shapes.items():
        for axis, length in enumerate(shape if operator.name not in UPDATES or name in NAMES else ()):
            smaller = {name: (*shape[:axis], 0, *shape[axis + 1 :])}
            if operator.name in UPDATES:
                gradient = f"d{name}"
                smaller |= {gradient: (case.shapes[gradient][0], *smaller[name])} if gradient in case.shapes else {}
            else:
                equal = {other: tuple(0 if n == length else n for n in of) for other, of in case.shapes.items()}
                yield name, axis, replace(case, shapes=equal)
            yield name, axis, replace(case, shapes={**case.shapes, **smaller})


def empty_cell(operator, thorough):
    """Check empty axes; return the text of the cell.

    It is "same" if several axes may be empty, "batch only" if one may, or "refused".
    """
    accepted = set()
    for case, dtype in cases(operator, thorough):
        for name, axis, smaller in emptied(operator, case):
            a = fill(smaller, lambda *arguments, dtype=dtype: floats(*arguments).astype(dtype))
            output = results(replace(operator, derivatives=()), a, "reference")
            if not isinstance(output, str):
                accepted.add((name, axis))
                a = a.with_arrays(dy=np.zeros(output[0].shape, dtype))
            expected, *others = (results(operator, a, engine) for engine in reversed(AVAILABLE_ENGINES))
            for actual in others:
                assert_agree(operator, expected, expected, actual)
    if operator.name in UPDATES:
        return "same" if accepted else "refused"
    return {0: "refused", 1: "batch only"}.get(len({axis for _, axis in accepted}), "same")


def layout_cell(operator, column, thorough):
    """Check one layout of all arrays together; return the text of the cell.

    If ``thorough``, also check each array in turn.
    """
    in_layout, outcomes = LAYOUTS[column], set()
    compute = updated if operator.name in UPDATES else results
    for case, dtype in cases(operator, thorough):
        plain = filled(operator, case, dtype)
        for engine in AVAILABLE_ENGINES:
            expected = compute(operator, plain, engine)
            for names in [[*plain.arrays], *([name] for name in plain.arrays if thorough)]:
                a = plain.with_arrays(**{name: in_layout(plain.arrays[name]) for name in names})
                what = f"{operator.name}, {column} {', '.join(names)}, {engine}"
                outcomes |= assert_same_bits(what, expected, compute(operator, a, engine))
    return " or ".join(sorted(outcomes))


def assert_same_bits(what, expected, actual):
    """Return {"same"} or {"refused"}; raise :class:`Different` if a bit differs."""
    if isinstance(actual, str):
        return {"refused"}
    for e, a in zip(expected, actual, strict=True):
        if (e.dtype, e.shape, e.tobytes()) != (a.dtype, a.shape, a.tobytes()):
            raise Different(f"{what}: the plain array gives {e.tolist()}, this one {a.tolist()}")
    return {"same"}


def updated(operator, a, engine):
    """Return the parameters w and b after a step of an optimiser, or the message of a refusal.

    For gradient clipping, return the clipped gradients. Unlike the rows of the catalogue, it uses the arrays w and b
    themselves as parameters.
    """
    function = lookup(operator.name)
    theta = {name: Parameter(a.arrays[name]) for name in ("w", "b")}
    options = {name: convert(value, float) for name, value in a.options.items()}

    def step():
        if operator.name == "optim.clip_by_global_norm":
            for parameter in theta.values():
                parameter.grad[...] = parameter.value
            function(theta, **options)
            return [parameter.grad for parameter in theta.values()]
        optimizer = function(theta, **{**options, "lr": options["lr"][0]})
        for name, parameter in theta.items():
            parameter.grad[...] = a.arrays[f"d{name}"][0]
        optimizer.step()
        return [parameter.value for parameter in theta.values()]

    before = [np.array(array) for array in a.arrays.values()]
    found = attempted(step, engine)
    for array, original in zip(a.arrays.values(), before, strict=True):
        if array.flags.writeable:
            array[...] = original  # the next call starts from the same numbers
    return found


def cells(operator, thorough=False):
    """Return the texts of an operator's cells."""
    return [cell(operator, column, thorough) for column in COLUMNS]


def cell(operator, column, thorough):
    """Return the text of one cell."""
    if column in LAYOUTS:
        return layout_cell(operator, column, thorough)
    return empty_cell(operator, thorough) if column == "empty" else value_cell(operator, column, thorough)


def line(name, texts):
    """Return one line of the Markdown table."""
    return " | ".join(["| " + name, *texts]) + " |"


def table(rows=ROWS):
    """Return the lines of the table in Markdown, with its footnotes."""
    head = [line("operator", COLUMNS), line("---", ["---"] * len(COLUMNS))]
    body = [line(f"`{name}`", cells(operator)) for name, operator in rows.items()]
    return [*head, *body, *(f"\n{mark} {note.words}" for mark, note in FOOTNOTES.items())]


if __name__ == "__main__":
    print("\n".join(table()))
