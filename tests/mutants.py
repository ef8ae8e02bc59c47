"""Wrong versions of loops and kernels, and the evidence that must refute them.

A mutant is a mistake in a line of the package: a text that occurs exactly once in its file, and the text that replaces it.
The lists of loops and of kernels each begin with five bugs that published reference code has had; common mistakes follow.
The evidence of :mod:`refconv.verify` has to refute each mutant, because a property whose violation is not noticed has
no evidence.
"""

from dataclasses import dataclass
from pathlib import PurePath

__all__ = ["KERNELS", "LOOPS", "VECTORIZED", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    ``file`` is a path relative to ``refconv/`` and belongs to the family. ``operator`` is the entry of the catalogue that is
    refuted, and ``kinds`` are the kinds of evidence that refute it.
    """

    description: str
    family: str
    file: str
    operator: str
    old: str
    new: str
    kinds: frozenset = frozenset({"parity"})

    def __str__(self):
        return f"{self.operator}-{self.description.replace(' ', '_')}"

    def patched(self, source):
        """Return the source code with the mistake."""
        assert source.count(self.old) == 1, f"{self.file} must contain {self.old!r} once"
        return source.replace(self.old, self.new)


INDENT = 32 * " "
CONV2D_FORWARD = f"{INDENT}# forward: y[b, i, j, o] += x[pixel] * w[m, n, c, o]\n"

SHIFT = "t = (s - r) % 4\n"
P4_FORWARD = f"{' ' * 36}for c in range(C):\n{' ' * 40}y["


def loop(description, family, operator, old, new, kinds="symbolic numeric adjoint parity oracle"):
    return Mutant(description, family, f"reference/{family}.py", operator, old, new, frozenset(kinds.split()))


def kernel(description, file, operator, old, new, family=None):
    return Mutant(description, family or PurePath(file).stem, f"_core/{file}", operator, old, new)


def in_numpy(description, family, operator, old, new):
    return Mutant(description, family, "vectorized.py", operator, old, new)


# Forward and backward share the mistake, so the derivatives agree and only comparisons show it.
ALIKE = "parity oracle"
# The mistake shows only on a kink: in a proof there, and in comparisons of inputs with equal numbers.
KINK = "symbolic parity oracle"
# The mistake is in the derivative of an operator whose conventions have no table.
DERIVATIVE = "symbolic numeric adjoint parity"

LOOPS = [
    loop(
        "summed over the batch instead of the channels",
        "response_norm",
        "local_response_norm",
        "in range(max(0, c - size // 2), min(C, c + (size - 1) // 2 + 1)):\n                d[m, c] += alpha * x[m, j] ** 2",
        "in range(max(0, m - size // 2), min(M, m + (size - 1) // 2 + 1)):\n                d[m, c] += alpha * x[j, c] ** 2",
    ),
    loop(
        "a group has one output channel",
        "conv_transpose",
        "conv_transpose2d",
        "c // C_g * O_g + o)\n                                y[pixel]",
        "c // C_g + o)\n                                y[pixel]",
        "numeric adjoint parity",
    ),
    loop(
        "same padding from N and C",
        "max_pool",
        "max_pool2d",
        "window.pads((H, W))",
        "window.pads((N, C))",
        ALIKE,
    ),
    loop(
        "padding in front from N and C",
        "padding",
        "conv2d",
        "window.pads(input_size)",
        "window.pads((padded.shape[0], padded.shape[-1]))",
        "adjoint parity oracle",
    ),
    loop(
        "winners counted from the edge of the padding",
        "max_pool",
        "max_pool2d",
        "x[b, u, v, c], u * W + v",
        "x[b, u, v, c], (u + top) * (left + W + _right) + left + v",
    ),
    loop(
        "height and width of the window swapped in the backward pass",
        "avg_pool",
        "avg_pool2d",
        "(N, _, _, C), (H, W), (kh, kw) = dy.shape",
        "(N, _, _, C), (H, W), (kw, kh) = dy.shape",
    ),
    loop(
        "kernel flipped",
        "conv",
        "conv2d",
        "  y[b, i, j, o] += x[pixel] * w[m, n, c, o]",
        "  y[b, i, j, o] += x[pixel] * w[kh - 1 - m, kw - 1 - n, c, o]",
    ),
    loop(
        "stride of the height used for the width in the backward pass",
        "conv",
        "conv2d",
        f"j * S_w + n * D_w, o // O_g * C_g + c)\n{CONV2D_FORWARD}{INDENT}dx[pixel]",
        f"j * S_h + n * D_w, o // O_g * C_g + c)\n{CONV2D_FORWARD}{INDENT}dx[pixel]",
    ),
    loop(
        "dilation ignored in dw",
        "conv",
        "conv2d",
        f"(b, i * S_h + m * D_h, j * S_w + n * D_w, o // O_g * C_g + c)\n{CONV2D_FORWARD}{INDENT}dw[m, n, c, o]",
        f"(b, i * S_h + m, j * S_w + n, o // O_g * C_g + c)\n{CONV2D_FORWARD}{INDENT}dw[m, n, c, o]",
        "numeric adjoint parity oracle",
    ),
    loop(
        "groups interleaved",
        "conv",
        "conv1d",
        "  y[b, i, o] += x[b, i * S + m * D, o // O_g * C_g + c]",
        "  y[b, i, o] += x[b, i * S + m * D, o % groups * C_g + c]",
    ),
    loop(
        "bias added twice",
        "conv",
        "conv2d",
        "y[b, i, j, o] = 0 if bias is None else bias[o]",
        "y[b, i, j, o] = 0 if bias is None else 2 * bias[o]",
    ),
    loop("last of equal maxima wins", "max_pool", "max_pool1d", "value > best", "value >= best", KINK),
    loop(
        "derivative 1 at zero",
        "activation",
        "relu",
        "dy.flat[i] if x.flat[i] > 0 else 0",
        "dy.flat[i] if x.flat[i] >= 0 else 0",
        "symbolic parity",
    ),
    loop(
        "derivative 1 at six",
        "activation",
        "relu6",
        "and x.flat[i] < 6 else 0",
        "and x.flat[i] <= 6 else 0",
        "symbolic adjoint parity",
    ),
    loop(
        "no upper limit",
        "activation",
        "relu6",
        "else 6 if x.flat[i] >= 6 else x.flat[i]\n    return",
        "else x.flat[i]\n    return",
        DERIVATIVE,
    ),
    loop("unbiased variance", "norm", "batch_norm", "(x[m, c] - mean[c]) ** 2 / M", "(x[m, c] - mean[c]) ** 2 / (M - 1)"),
    loop("no gradient through the mean", "norm", "batch_norm", " + dmean / M", "", DERIVATIVE),
    loop("smoothing over the wrong classes only", "loss", "softmax_cross_entropy", "alpha / K", "alpha / (K - 1)"),
    loop("softmax as if its outputs were independent", "loss", "softmax", "(dy[b, k] - mean)", "dy[b, k]", DERIVATIVE),
    loop("only the last example counts", "dense", "dense", "dw[c, o] += ", "dw[c, o] = ", DERIVATIVE),
    loop(
        "adds to a buffer that is kept between calls",
        "dense",
        "dense",
        "    dw = np.zeros((C, O), x.dtype)\n",
        '    dw = globals().setdefault("kept", {}).setdefault((C, O, x.dtype), np.zeros((C, O), x.dtype))\n',
        "numeric adjoint parity",
    ),
    loop(
        "returns a buffer that the next call overwrites",
        "dense",
        "dense",
        "    y = np.zeros((N, O), x.dtype)\n",
        '    y = globals().setdefault("kept", {}).setdefault((N, O, x.dtype), np.zeros((N, O), x.dtype))\n',
        "numeric parity",
    ),
    loop("padding counted", "avg_pool", "avg_pool2d", "if count_include_pad else (0, size)", "if True else (0, size)", ALIKE),
    loop("survivors not scaled", "dropout", "dropout", "else 1 / (1 - rate)", "else 1", "parity"),
    loop("reflected with the edge repeated", "resize", "pad", "else 2 * (n - 1) - i", "else 2 * n - 1 - i", ALIKE),
    loop("corners aligned", "resize", "upsample2d", "divmod(2 * i + 1 - S, 2 * S)", "divmod(2 * i, 2 * S)", ALIKE),
    loop(
        "outputs grouped by multiplier",
        "separable",
        "depthwise_conv2d",
        "o = c * Q + q\n                        y[b, i, j, o] = 0",
        "o = q * C + c\n                        y[b, i, j, o] = 0",
    ),
    # The derivatives rotate alike, so only the equivariance, the definition in the catalogue, and comparisons show it.
    loop(
        "rotated clockwise",
        "p4_conv",
        "p4_lift_conv2d",
        "m, n = n, k - 1 - m",
        "m, n = k - 1 - n, m",
        "symbolic parity oracle",
    ),
    loop("rotation axis not shifted", "p4_conv", "p4_conv2d", f"{SHIFT}{P4_FORWARD}", f"t = s\n{P4_FORWARD}"),
    loop("rotation axis shifted back", "p4_conv", "p4_conv2d", f"{SHIFT}{P4_FORWARD}", f"t = (s + r) % 4\n{P4_FORWARD}"),
    loop(
        "derivatives of the rotations added without rotating them back",
        "p4_conv",
        "p4_lift_conv2d",
        "dw[p, q, c, o] += x[b, i + m, j + n, c]",
        "dw[m, n, c, o] += x[b, i + m, j + n, c]",
    ),
]

# No mutant accesses memory outside an array: its results would be random.
KERNELS = [
    kernel(
        "summed over the batch instead of the channels",
        "norm/response_norm.pyx",
        "local_response_norm",
        "def local_response_norm(const real[:, ::1] x, Py_ssize_t size, double alpha, double beta, double k):",
        "def local_response_norm(x, size, alpha, beta, k):\n"
        "    return across_columns(x.T.copy(), size, alpha, beta, k).T.copy()\n\n\n"
        "def across_columns(const real[:, ::1] x, Py_ssize_t size, double alpha, double beta, double k):",
    ),
    kernel(
        "a group has one output channel",
        "conv/conv_transpose.pyx",
        "conv_transpose2d",
        "y = conv.conv2d_dx(x, w, size",
        "y = conv.conv2d_dx(x, w[:, :, :1].copy(), size",
    ),
    kernel(
        "output padding of the stride or more at the front",
        "conv/conv_transpose.pyx",
        "conv_transpose2d",
        "y[:, :size[0], :size[1]] =",
        "y[:, -size[0]:, -size[1]:] =",
    ),
    kernel(
        "padding at the top as at the left",
        "conv/direct.pyx",
        "conv2d",
        "        self.window, self.is_float32 =",
        "        self.plan.conv.top = self.plan.conv.left\n        self.window, self.is_float32 =",
    ),
    kernel(
        "winners counted from the edge of the padding",
        "pool/max_pool.pyx",
        "max_pool2d",
        "return result, winners",
        "return result, winners + p.top * p.W + p.left",
    ),
    kernel(
        "height and width of the window swapped in the backward pass",
        "pool/avg_pool.pyx",
        "avg_pool2d",
        "pool_of(dy.shape[0], input_size, dy.shape[3], window, count_include_pad)\n",
        "pool_of(dy.shape[0], input_size, dy.shape[3], window, count_include_pad)\n    p.kh, p.kw = p.kw, p.kh\n",
    ),
    kernel(
        "kernel flipped", "conv/direct.pyx", "conv2d", "offset=0, offset_step=D)", "offset=(kernel - 1) * D, offset_step=-D)"
    ),
    kernel(
        "one stride for both axes",
        "conv/direct.pyx",
        "conv2d",
        "x_column=c.S_w * p.view.pixel",
        "x_column=min(c.S_h, c.S_w) * p.view.pixel",
    ),
    kernel(
        "dilation ignored in dw",
        "conv/direct_grads.pyx",
        "conv1d",
        "entry[e] = tap // c.kw * c.D_h * pitch + tap % c.kw * c.D_w * c.C + e % c.C_g",
        "entry[e] = tap // c.kw * pitch + tap % c.kw * c.C + e % c.C_g",
    ),
    kernel("every group reads the first", "conv/direct.pyx", "conv2d", "block % count, x + g * c.C_g,", "block % count, x,"),
    kernel("bias added twice", "conv/conv_transpose.pyx", "conv_transpose2d", "+= bias[o]", "+= 2 * bias[o]"),
    kernel(
        "last of equal maxima wins", "pool/pool.h", "max_pool2d", "(value[c] > best[c])", "value[c] >= best[c]", "max_pool"
    ),
    kernel(
        "returns a buffer that the next call overwrites",
        "pointwise/activation.pyx",
        "relu",
        "    result = aligned_empty(a.shape, a.dtype)\n",
        "    new = aligned_empty(a.shape, a.dtype)\n"
        '    result = globals().setdefault("kept", {}).setdefault((function, a.shape, a.dtype), new)\n',
    ),
    kernel(
        "derivative 1 at zero", "pointwise/activation.pyx", "relu", "dy[i] if a[i] > 0 else 0", "dy[i] if a[i] >= 0 else 0"
    ),
    kernel("derivative 1 at six", "pointwise/activation.pyx", "relu6", "and a[i] < 6 else 0", "and a[i] <= 6 else 0"),
    kernel("unbiased variance", "norm/norm.pyx", "batch_norm", "<real>sigma2[2, c]", "<real>(sigma2[2, c] * M / (M - 1))"),
    kernel(
        "no gradient through the mean", "norm/norm.pyx", "batch_norm", "<real>(affine[1, c] * <double>beta_sum[c] / M)", "0"
    ),
    kernel(
        "mean of the channel instead of the group",
        "norm/group_norm.pyx",
        "group_norm",
        "exact_mean = long_sum(means + g * K, K) / K",
        "exact_mean = means[g * K]",
    ),
    kernel(
        "no gradient through the variance of a group",
        "norm/group_norm.pyx",
        "group_norm",
        "<real>slope, <real>offset",
        "0, <real>offset",
    ),
    kernel(
        "smoothing over the wrong classes only",
        "pointwise/loss.pyx",
        "softmax_cross_entropy",
        "alpha / K",
        "alpha / (K - 1)",
    ),
    kernel("rotation axis not shifted", "conv/p4_conv.pyx", "p4_conv2d", "np.roll(w, r, axis=2) if w.ndim == 5 else w", "w"),
]

VECTORIZED = [
    in_numpy("the dilation is ignored", "conv", "conv2d", "slice(m * D, m * D + (n - 1)", "slice(m, m + (n - 1)"),
    in_numpy("the padding is shifted", "conv", "conv2d", "((before, max(", "((before + 1, max("),
    in_numpy(
        "the channels of the groups are interleaved",
        "conv",
        "conv2d",
        "a.reshape(-1, groups, a.shape[-1] // groups).transpose(1, 0, 2)",
        "a.reshape(-1, a.shape[-1] // groups, groups).transpose(2, 0, 1)",
    ),
    in_numpy("windows do not overlap in ∂e/∂x", "conv", "conv1d", "tap += shares[..., k, :]", "tap[...] = shares[..., k, :]"),
    in_numpy("the last maximum wins", "max_pool", "max_pool2d", "(value > y)", "(value >= y)"),
    in_numpy(
        "a pixel gets the ∂e/∂y of one window only",
        "max_pool",
        "max_pool2d",
        "np.add.at(dx.reshape(-1), index.reshape(-1), dy.reshape(-1))",
        "dx.reshape(-1)[index.reshape(-1)] = dy.reshape(-1)",
    ),
    in_numpy("the padding counts", "avg_pool", "avg_pool2d", "size, count_include_pad, x.dtype", "size, True, x.dtype"),
    in_numpy(
        "inputs and outputs are not exchanged in ∂e/∂x",
        "resize",
        "pad",
        "[[(u, i, weight) for i, u, weight in terms]",
        "[[(u, u, weight) for i, u, weight in terms]",
    ),
    in_numpy("the variance is unbiased", "norm", "batch_norm", "** 2).sum(axes) / members", "** 2).sum(axes) / (members - 1)"),
    in_numpy(
        "the larger half of the channels is on the other side",
        "response_norm",
        "local_response_norm",
        "neighbours(x**2, size // 2, (size - 1) // 2)) ** beta",
        "neighbours(x**2, (size - 1) // 2, size // 2)) ** beta",
    ),
    in_numpy("the kept units are not scaled", "dropout", "dropout", "= 1 / (1 - rate)", "= 1"),
    in_numpy("ReLU′(0) is 1", "activation", "relu", "np.where(x > 0, dy, 0)", "np.where(x >= 0, dy, 0)"),
    in_numpy(
        "the labels are not smoothed",
        "loss",
        "softmax_cross_entropy",
        "targets = np.full_like(logits, alpha / K)",
        "targets = np.full_like(logits, 0)",
    ),
    in_numpy("the mean of squares is not corrected", "update", "adam", "np.sqrt(s / (1 - beta2**t))", "np.sqrt(s)"),
]
