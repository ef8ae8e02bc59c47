"""Mutants with wrong conventions shared by loops and kernels, and the operators they affect.

The oracle must refute each mutant for each of its operators. A mutant is a module with the same mistake in the forward and
the backward pass. While it is tested, its functions replace the correct ones: the methods of ``Window``, and each function in
every module that imported it by name. ``python tests/convention_mutants.py`` prints which kinds of evidence refute each
mutant, for each operator.
"""

import importlib
import sys
import types
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import refconv
from refconv import geometry

__all__ = ["MUTANTS", "Convention", "applied"]

PACKAGE = Path(refconv.__file__).parent


@dataclass(frozen=True)
class Convention:
    """One wrong convention.

    ``file`` is a path relative to ``refconv/``. Each key of ``changes`` must occur in the file; its value replaces every
    occurrence. ``operators`` are the entries of the catalogue that use the convention.
    """

    name: str
    file: str
    changes: dict
    operators: tuple

    def module(self):
        """Return the module with the mistake, under the name of the original module."""
        path = PACKAGE / self.file
        source = path.read_text("utf-8")
        for old, new in self.changes.items():
            assert old in source, f"{self.file} must contain {old!r}"
            source = source.replace(old, new)
        module = types.ModuleType(f"refconv.{self.file.removesuffix('.py').replace('/', '.')}")
        with mock.patch.dict(sys.modules, {module.__name__: module}):  # dataclasses look their module up here
            exec(compile(source, str(path), "exec"), vars(module))
        return module


@contextmanager
def applied(mutant):
    """Replace the correct convention by the wrong one, wherever it is used, inside the block."""
    wrong = mutant.module()
    right = importlib.import_module(wrong.__name__)
    functions = {id(f): getattr(wrong, name) for name, f in vars(right).items() if isinstance(f, types.FunctionType)}
    with ExitStack() as stack:
        if right is geometry:
            for name, method in vars(wrong.Window).items():
                if isinstance(method, types.FunctionType):
                    stack.enter_context(mock.patch.object(geometry.Window, name, method))
            wrong.Window = geometry.Window  # the wrong methods must create instances of the original class
        for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == "refconv"]:
            for name, value in list(vars(module).items()):
                if id(value) in functions:
                    stack.enter_context(mock.patch.object(module, name, functions[id(value)]))
        yield


def both(*names):
    return tuple(f"{name}{ndim}d" for name in names for ndim in (1, 2))


AVERAGES = both("avg_pool")
POOLS = (*both("max_pool"), *AVERAGES)
TRANSPOSED = both("conv_transpose")
LAYERS = (*both("conv"), "depthwise_conv2d", "separable_conv2d", "im2col", "col2im", *both("toeplitz"))
DILATED = (*LAYERS, *TRANSPOSED, *both("max_pool"))
WINDOWS = (*LAYERS, *TRANSPOSED, *POOLS)
SLIDING = both("convolve", "cross_correlate", "fft_convolve")

IMAGES = (
    "conv2d",
    "depthwise_conv2d",
    "separable_conv2d",
    "conv_transpose2d",
    "max_pool2d",
    "avg_pool2d",
    "pad",
    "upsample2d",
)


def of_window(name, old, new, operators):
    return Convention(name, "geometry.py", {old: new}, operators)


def of_loops(name, family, changes, *operators):
    return Convention(name, f"reference/{family}.py", changes, operators)


ODD = 'return (smaller, larger) if self.padding == "same" else (larger, smaller)'
FULL = "(span - 1, span - 1) for span in"
COUNTED = "(-before, size + after) if count_include_pad else (0, size)"

MUTANTS = (
    of_window("odd_zero_first", ODD, "return (larger, smaller)", WINDOWS),
    of_window("odd_zero_of_same_lower_last", ODD, "return (smaller, larger)", (*WINDOWS, *SLIDING)),
    of_window("same_as_with_stride_1", "(-(-n // S) - 1) * S + self.span[axis] - n", "self.span[axis] - 1", WINDOWS),
    of_window("same_ignores_dilation", "* S + self.span[axis] - n", "* S + self.kernel[axis] - n", DILATED),
    of_window("full_one_short", FULL, "(max(span - 2, 0),) * 2 for span in", (*WINDOWS, *SLIDING)),
    of_window("full_one_short_at_the_end", FULL, "(span - 1, max(span - 2, 0)) for span in", (*WINDOWS, *SLIDING)),
    of_window("size_rounded_up", "else last_start // S + 1", "else -(-last_start // S) + 1", (*LAYERS, *POOLS)),
    of_window("ceil_mode_ignored", "-(-last_start // S) + 1 if self.ceil_mode else ", "", POOLS),
    of_window("ceil_mode_keeps_a_window_in_the_padding", "(positions - 1) * S >= n + before", "False", POOLS),
    of_window("ceil_mode_drops_a_window_on_the_last_element", "* S >= n + before", "* S >= n + before - 1", POOLS),
    of_window(
        "output_padding_ignored",
        "self._transposed_size(n, extra[axis], axis)",
        "self._transposed_size(n, 0, axis)",
        TRANSPOSED,
    ),
    of_window("output_padding_only_below_the_stride", "if e >= max(S, D):", "if e >= S:", TRANSPOSED),
    of_window("no_output_padding_is_zero", "S - 1 if self._is_same else max(S - k, 0)", "0", TRANSPOSED),
    of_window("transposed_same_is_n_times_stride", "(n - 1) * self.stride[axis] + 1", "n * self.stride[axis]", TRANSPOSED),
    of_window(
        "transposed_size_ignores_dilation",
        "self.stride[axis] + self.span[axis] - before - after",
        "self.stride[axis] + self.kernel[axis] - before - after",
        TRANSPOSED,
    ),
    of_window(
        "transposed_size_one_too_large",
        "self.span[axis] - before - after",
        "self.span[axis] - before - after + 1",
        (*TRANSPOSED, "zero_stuff"),
    ),
    of_window("odd_zero_of_a_mode_last", '"same": "same_lower"', '"same": "same"', SLIDING),
    Convention(
        "pads_exchanged",
        "geometry.py",
        {'for before, after in (per_axis("padding"': 'for after, before in (per_axis("padding"'},
        (*WINDOWS, "pad"),
    ),
    Convention(
        "output_padding_at_the_front",
        "ops/conv_transpose.py",
        {
            **{
                f'restore(implementation("conv_transpose").conv_transpose{ndim}d(': f"_rolled({ndim}, output_padding, "
                f'implementation("conv_transpose").conv_transpose{ndim}d('
                for ndim in (1, 2)
            },
            "def conv_transpose2d(\n": "def _rolled(ndim, output_padding, y, data_format):\n"
            "    extra = per_axis('output_padding', output_padding, ndim, least=0)\n"
            "    return restore(__import__('numpy').roll(y, extra, range(1, ndim + 1)), data_format)\n\n\n"
            "def conv_transpose2d(\n",
        },
        TRANSPOSED,
    ),
    Convention(
        "channels_first_with_the_width_before_the_height",
        "ops/check.py",
        {"(array, 1, -1))": "(array, 1, -1).swapaxes(1, -2))", "(array, -1, 1))": "(array, -1, 1).swapaxes(2, -1))"},
        IMAGES,
    ),
    of_loops("divisor_counts_padding", "avg_pool", {COUNTED: "(-before, size + after)"}, *AVERAGES),
    of_loops("divisor_never_counts_padding", "avg_pool", {COUNTED: "(0, size)"}, *AVERAGES),
    of_loops("divisor_counts_beyond_the_padding", "avg_pool", {"size + after)": "size + after + k)"}, *AVERAGES),
    of_loops("last_maximum_wins", "max_pool", {"value > best or": "value >= best or"}, *both("max_pool")),
    of_loops(
        "first_maximum_in_column_major_order",
        "max_pool",
        {"for m in range(kh):\n            for n in range(kw):": "for n in range(kw):\n            for m in range(kh):"},
        "max_pool2d",
    ),
    of_loops(
        "positions_in_column_major_order",
        "max_pool",
        {"c], u * W + v": "c], v * H + u", "u, v = divmod(argmax[b, i, j, c], W)": "v, u = divmod(argmax[b, i, j, c], H)"},
        "max_pool2d",
    ),
    of_loops("smoothing_over_the_other_classes", "loss", {"+ alpha / K\n": "+ alpha / (K - 1)\n"}, "softmax_cross_entropy"),
    of_loops("groups_interleaved", "conv", {"o // O_g * C_g + c": "o % groups * C_g + c"}, *both("conv")),
    of_loops("groups_interleaved", "conv_transpose", {"c // C_g * O_g + o": "c % groups * O_g + o"}, *TRANSPOSED),
    of_loops(
        "even_neighbourhood_shifted",
        "response_norm",
        {
            "range(max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1))": "range(max(0, c - (size - 1) // 2), "
            "min(C, c + size // 2 + 1))"
        },
        "local_response_norm",
    ),
    of_loops("reflection_repeats_the_edge", "resize", {"else 2 * (n - 1) - i": "else 2 * n - 1 - i"}, "pad"),
    of_loops("corners_aligned", "resize", {"divmod(2 * i + 1 - S, 2 * S)": "divmod(2 * i, 2 * S)"}, "upsample2d"),
    of_loops("variance_unbiased", "norm", {"mean[c]) ** 2 / M": "mean[c]) ** 2 / (M - 1)"}, "batch_norm"),
)


def main():
    """Print which kinds of evidence refute each operator under each mutant, on the loops."""
    from refconv.verify.catalogue import find
    from refconv.verify.evidence.kinds import gather

    kinds = ("symbolic", "numeric", "adjoint", "oracle")
    for mutant in MUTANTS:
        for name in mutant.operators:
            with applied(mutant):
                outcomes = [gather(find(name), kind, quick=True, engine_name="reference") for kind in kinds]
            refuting = ", ".join(outcome.kind for outcome in outcomes if outcome.refuted is not None)
            print(f"{mutant.name:45} {name:22} {refuting or '-'}", flush=True)


if __name__ == "__main__":
    main()
