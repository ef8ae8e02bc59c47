"""Wrong versions of optimisers, averages, operators and layers, with the refuting evidence."""

from mutants import Mutant, loop

__all__ = ["ROWS"]

# An optimiser has no derivative. Its definition, proved on symbols and compared with the kernels, refutes the mutant, and
# so do its examples.
UPDATE = "symbolic parity oracle"
# The row of an optimiser checks this in each run, so every kind of evidence that runs the optimiser refutes the mutant.
STEPS = "symbolic numeric parity oracle"
# The definition of a layer that computes one operator has derivatives, so parity compares the gradients.
LAYER = "symbolic numeric adjoint parity"
GRADIENT = "symbolic numeric adjoint"
# Every kind of evidence refutes a layer that raises an error or changes its arguments.
ALL_KINDS = "symbolic numeric adjoint parity oracle"

FALL = "lr * (g.flat[i] + decay * theta.flat[i])"
MOVE = "        theta.flat[i] += momentum * v.flat[i] - fall if nesterov else v.flat[i]"
VELOCITY = "v.flat[i] = momentum * v.flat[i] - fall\n"
CORRECTED = "mean, square = m.flat[i] / (1 - beta1**t), s.flat[i] / (1 - beta2**t)\n        theta.flat[i] -= lr * mean /"
ADAM = "beta2: float = 0.999,\n        eps: float = 1e-8,\n        weight_decay: float = 0.0,"
MEAN_SQUARE = "s.flat[i] = rho * s.flat[i] + (1 - rho) * h * h"


def update(description, optimizer, old, new, kinds=UPDATE):
    return loop(description, "update", f"optim.{optimizer}", old, new, kinds)


def module(description, file, operator, old, new, kinds=LAYER):
    """Return a mutant of a module of layers, optimisers or operators."""
    return Mutant(description, file.rpartition("/")[2].removesuffix(".py"), file, operator, old, new, frozenset(kinds.split()))


UPDATES = [
    update("weight decay not scaled by the rate", "SGD", FALL, "lr * g.flat[i] + decay * theta.flat[i]"),
    update("weight decay subtracted", "SGD", FALL, "lr * (g.flat[i] - decay * theta.flat[i])"),
    update("decay outside the velocity", "SGD", VELOCITY, f"{VELOCITY}        v.flat[i] += lr * decay * theta.flat[i]\n"),
    update("velocity without the rate", "SGD", VELOCITY, f"{VELOCITY}        v.flat[i] *= lr\n"),
    update("no momentum", "SGD", VELOCITY, "v.flat[i] = -fall\n"),
    update("Nesterov without look-ahead", "SGD", MOVE, "        theta.flat[i] += v.flat[i]"),
    update("epsilon always outside the root", "RMSProp", "if eps_inside_sqrt else", "if False else"),
    update("epsilon always in the root", "RMSProp", "if eps_inside_sqrt else", "if True else"),
    update("decay left out of the squares", "RMSProp", MEAN_SQUARE, MEAN_SQUARE.replace("h * h", "g.flat[i] ** 2")),
    update("weights of the mean swapped", "RMSProp", MEAN_SQUARE, "s.flat[i] = (1 - rho) * s.flat[i] + rho * h * h"),
    update("mean not corrected", "Adam", CORRECTED, CORRECTED.replace(" / (1 - beta1**t)", "")),
    update("every step corrected as the first", "Adam", CORRECTED, CORRECTED.replace("beta2**t", "beta2")),
    update(
        "later steps corrected as the third",
        "Adam",
        CORRECTED,
        CORRECTED.replace("beta2**t", "beta2 ** min(t, 3)"),
        "parity oracle",
    ),
    update("decay separate from the gradient", "Adam", "-= lr * mean /", "-= lr * decay * theta.flat[i] + lr * mean /"),
    update(
        "decay not scaled by the rate",
        "AdamW",
        "lr * (mean / (sqrt(square) + eps) + decay * theta.flat[i])",
        "lr * mean / (sqrt(square) + eps) + decay * theta.flat[i]",
    ),
    update(
        "decay as part of the gradient",
        "AdamW",
        "        m.flat[i] = beta1 * m.flat[i] + (1 - beta1) * g.flat[i]\n",
        "        m.flat[i] = beta1 * m.flat[i] + (1 - beta1) * (g.flat[i] + decay * theta.flat[i])\n",
    ),
    update(
        "only the last element counts",
        "clip_by_global_norm",
        "total += scaled * scaled",
        "total = scaled * scaled",
        "parity oracle",
    ),
]

OPTIMIZERS = [
    module(
        "weight decay lost",
        "optim/optimizer.py",
        "optim.SGD",
        "self.weight_decay if group.weight_decay is None else group.weight_decay",
        "0.0",
        UPDATE,
    ),
    module("biases decay", "optim/optimizer.py", "optim.SGD", 'and self.decayed == "weights" and', "and False and", UPDATE),
    module("steps not counted", "optim/optimizer.py", "optim.Adam", "self.steps += 1", "self.steps = 1", UPDATE),
    module(
        "momentum and decay swapped",
        "optim/optimizers.py",
        "optim.SGD",
        "lr, self.momentum, decay, self.nesterov",
        "lr, decay, self.momentum, self.nesterov",
        UPDATE,
    ),
    module(
        "a new rate ignored",
        "optim/optimizers.py",
        "optim.RMSProp",
        "functions.rmsprop(theta, *state, g, lr=lr,",
        "functions.rmsprop(theta, *state, g, lr=vars(self).setdefault('first', lr),",
        STEPS,
    ),
    module(
        "convolution kernels do not decay",
        "optim/optimizer.py",
        "optim.SGD",
        "parameter.value.ndim == 1",
        "parameter.value.ndim != 2",
        UPDATE,
    ),
    module("a frozen parameter moves", "optim/optimizer.py", "optim.SGD", "items() if p.trainable]", "items()]", UPDATE),
    module(
        "frozen parameters accepted",
        "optim/optimizer.py",
        "optim.SGD",
        "trainable_parameters(model)",
        "dict(model)",
        UPDATE,
    ),
    module(
        "steps not restored",
        "optim/optimizer.py",
        "optim.Adam",
        'self.steps = int(state["steps"])',
        "pass",
        STEPS,
    ),
    module(
        "gradients cleared",
        "optim/optimizer.py",
        "optim.SGD",
        "self.update(functions, theta, g, state, lr, decay)",
        "self.update(functions, theta, g, state, lr, decay)\n            g[...] = 0",
        STEPS,
    ),
    module(
        "momentum 0.9 by default",
        "optim/optimizers.py",
        "optim.SGD",
        "momentum: float = 0.0,\n        weight_decay",
        "momentum: float = 0.9,\n        weight_decay",
        "oracle",
    ),
    module(
        "epsilon 0.001 by default",
        "optim/optimizers.py",
        "optim.RMSProp",
        "eps: float = 1e-7",
        "eps: float = 1e-3",
        "oracle",
    ),
    module("beta2 0.99 by default", "optim/optimizers.py", "optim.Adam", ADAM, ADAM.replace("0.999", "0.99"), "oracle"),
    module(
        "weight decay 0 by default",
        "optim/optimizers.py",
        "optim.AdamW",
        "weight_decay: float = 0.01",
        "weight_decay: float = 0.0",
        "oracle",
    ),
    module("epsilon 1e-7 by default", "optim/optimizers.py", "optim.Adam", ADAM, ADAM.replace("1e-8", "1e-7"), "oracle"),
    module(
        "each gradient by its own norm",
        "optim/clip.py",
        "optim.clip_by_global_norm",
        "math.frexp(max_norm / scaled_norm)\n        for g in gradients:",
        "(0, 0)\n        for g in gradients:\n            own = math.sqrt(float(sum_of_squares(g, scale)))"
        "\n            fraction, power = math.frexp(max_norm / own)",
        "parity oracle",
    ),
]

FORMS = [
    loop(
        "weights of the average swapped",
        "norm",
        "running_average",
        "momentum * average[c] + (1 - momentum) * batch[c]",
        "(1 - momentum) * average[c] + momentum * batch[c]",
        UPDATE,
    ),
    loop(
        "unbiased variance",
        "norm",
        "running_average",
        "(x[m, c] - mean[c]) ** 2 / M",
        "(x[m, c] - mean[c]) ** 2 / (M - 1)",
        "symbolic oracle",
    ),
    module(
        "weights of the average swapped in the layer",
        "nn/norm.py",
        "running_average",
        "return 1 - self.momentum\n",
        "return self.momentum\n",
        UPDATE,
    ),
    module("variance follows the mean", "nn/norm.py", "running_average", '("var", var))', '("var", mean))', UPDATE),
    module(
        "unbiased variance of images",
        "nn/norm.py",
        "running_average",
        "self.update_of(mean, var, x.size",
        "self.update_of(mean, var if x.ndim < 4 else var * (x.size // len(var)) / (x.size // len(var) - 1), x.size",
        UPDATE,
    ),
    module(
        "variance of channels first not followed",
        "nn/norm.py",
        "running_average",
        '("var", var)):',
        '("var", var))[: 1 if self.data_format == "channels_first" else 2]:',
        UPDATE,
    ),
    loop("mean not folded", "norm", "folded_batch_norm", "a * (b[o] - mean[o])", "a * b[o]", UPDATE),
    loop("scale without ε", "norm", "folded_batch_norm", "sqrt(var[o] + eps)", "sqrt(var[o])", UPDATE),
    loop("correction one update late", "norm", "corrected_average", "range(update)", "range(update + 1)", UPDATE),
    loop(
        "newest batch counts τ",
        "norm",
        "corrected_average",
        "(batch[c] - average[c])",
        "(momentum * batch[c] - average[c])",
        UPDATE,
    ),
    module(
        "updates counted after the weight is taken",
        "nn/norm.py",
        "corrected_average",
        "self._weight_of_batch(updates.item())",
        "self._weight_of_batch(updates.item() + 1)",
        UPDATE,
    ),
    module(
        "plain mean equals the newest batch", "nn/norm.py", "corrected_average", "else 1 / t", "else 1.0", "symbolic parity"
    ),
    module(
        "two calls of a backward function count twice",
        "nn/norm.py",
        "corrected_average",
        "update = None  #",
        "pass  #",
        UPDATE,
    ),
    module("momentum 0.9 by default", "nn/norm.py", "running_average", '"lecture": 0.99', '"lecture": 0.9', "oracle"),
    module("epsilon 1e-5 by default", "nn/norm.py", "nn.BatchNorm", "eps: float = 1e-3", "eps: float = 1e-5", "oracle"),
    loop("filter not flipped", "conv", "centred_correlation", "w[f - i, f - j]", "w[f + i, f + j]", ALL_KINDS),
    loop(
        "filter flipped in the forward form",
        "conv",
        "centred_correlation",
        "  z[k, l] += w[f + i, f + j] * at",
        "  z[k, l] += w[f - i, f - j] * at",
        ALL_KINDS,
    ),
    loop(
        "image shifted by one pixel",
        "conv",
        "centred_correlation",
        "dz[k, l] * at(x, k + i, l + j)",
        "dz[k, l] * at(x, k + i + 1, l + j)",
        ALL_KINDS,
    ),
    loop(
        "one zero fewer between pixels",
        "matrix",
        "zero_stuffed_conv_transpose2d",
        "stuffed = (i * S for",
        "stuffed = (i * max(S - 1, 1) for",
        ALL_KINDS,
    ),
    loop(
        "kernel not flipped",
        "conv_transpose",
        "zero_stuffed_conv_transpose2d",
        "w[kh - 1 - m, kw - 1 - n, o, c]",
        "w[m, n, o, c]",
        ALL_KINDS,
    ),
    loop(
        "channels of groups interleaved",
        "conv_transpose",
        "zero_stuffed_conv_transpose2d",
        "flipped[m, n, c % C_g, c // C_g * O_g + o]",
        "flipped[m, n, c // groups, c % groups * O_g + o]",
        "numeric adjoint parity",
    ),
    module("higher rank accepted", "ops/separable.py", "separate_rank1", "if rank > 1:", "if rank > 2:", "oracle"),
    module(
        "row not scaled", "ops/separable.py", "separate_rank1", "* largest, row / leading", "* largest, row", "parity oracle"
    ),
]

LAYERS = [
    module("gradient overwritten", "nn/dense.py", "nn.Dense", "w.grad += dense_dw", "w.grad[...] = dense_dw"),
    module("bias gradient overwritten", "nn/conv.py", "nn.Conv2D", "b.grad += self", "b.grad[...] = self", ALL_KINDS),
    module(
        "dx ignores dy", "nn/activation.py", "nn.ReLU", "activation.relu_dx(dy, x=x)", "activation.relu_dx(0 * dy + 1, x=x)"
    ),
    module(
        "input kept in the layer",
        "nn/activation.py",
        "nn.ReLU",
        "return activation.relu(x), lambda dy, want_dx=True: activation.relu_dx(dy, x=x)",
        "self.x = x\n        return activation.relu(x), lambda dy, want_dx=True: activation.relu_dx(dy, x=self.x)",
    ),
    module(
        "dy changed in place",
        "nn/activation.py",
        "nn.Tanh",
        "activation.tanh_dx(dy, y=y)",
        "np.multiply(dy, 1 - y * y, out=dy)",
        ALL_KINDS,
    ),
    module(
        "statistics of the batch held constant",
        "nn/norm.py",
        "nn.BatchNorm",
        "gradients, update = batch_norm_grads,",
        "gradients, update = batch_norm_inference_grads,",
    ),
    module(
        "gradient shared among the branches",
        "nn/branches.py",
        "nn.Sum",
        "[dy] * len(shapes)",
        "[dy / len(shapes)] * len(shapes)",
        GRADIENT,
    ),
    module("gradient not divided", "nn/branches.py", "nn.Mean", "[dy * (1 / len(shapes))]", "[dy]", GRADIENT),
    module(
        "parts of the gradient reversed",
        "nn/branches.py",
        "nn.Concat",
        "np.split(dy, ends, axis)",
        "np.split(np.flip(dy, axis), ends, axis)",
        GRADIENT,
    ),
    module(
        "gradient not scaled in inference",
        "nn/combinators.py",
        "nn.StochasticDepth",
        "call_backward(layer_backward, dy * self.survival, want_dx)",
        "call_backward(layer_backward, dy, want_dx)",
        GRADIENT,
    ),
    module(
        "output not scaled in inference",
        "nn/combinators.py",
        "nn.StochasticDepth",
        "return y * self.survival, lambda dy, want_dx=True: call_backward(layer_backward, dy * self.survival, want_dx)",
        "return y, lambda dy, want_dx=True: call_backward(layer_backward, dy, want_dx)",
        ALL_KINDS,
    ),
    module(
        "backward functions in forward order",
        "nn/fusion.py",
        "nn.Sequential",
        "reversed(backward_functions[first + 1 :])",
        "backward_functions[first + 1 :]",
        ALL_KINDS,
    ),
    module("join not divided", "nn/fractal.py", "nn.Fractal", "djoin * (1 / len(backward_of_column))", "djoin", GRADIENT),
    module("gradient of the head lost", "nn/heads.py", "nn.Heads", "dx + dhead", "dx", GRADIENT),
    module(
        "averages of a frozen layer move",
        "nn/norm.py",
        "nn.Sequential",
        "if train and not self.frozen:",
        "if train:",
        "symbolic numeric parity",
    ),
    module(
        "output doubled when called",
        "nn/combinators.py",
        "nn.Sequential",
        "            x = step(x)\n        return x",
        "            x = step(x)\n        return 2 * x",
        ALL_KINDS,
    ),
    *(
        module(
            "output doubled when called",
            "nn/branches.py",
            f"nn.{name}",
            "self._join([layer(x) for layer in self.layers.values()])",
            "2 * self._join([layer(x) for layer in self.layers.values()])",
            ALL_KINDS,
        )
        for name in ("Sum", "Concat")
    ),
    module(
        "output not scaled when called",
        "nn/combinators.py",
        "nn.StochasticDepth",
        "return self.layer(x) * self.survival",
        "return self.layer(x)",
        ALL_KINDS,
    ),
    module(
        "gradient of ones where the layer is dropped",
        "nn/combinators.py",
        "nn.StochasticDepth",
        "np.zeros_like(x)",
        "np.ones_like(x)",
        GRADIENT,
    ),
    module(
        "the same random number in every pass",
        "nn/combinators.py",
        "nn.StochasticDepth",
        "self.generator().random() >=",
        "__import__('copy').deepcopy(self.generator()).random() >=",
        "symbolic parity",
    ),
    module(
        "dropout in inference", "nn/dropout.py", "nn.Dropout", "if not train or self.frozen:", "if self.frozen:", ALL_KINDS
    ),
    module(
        "the same mask in every pass",
        "nn/dropout.py",
        "nn.Dropout",
        "dropout(x, self.rate, self.rng)",
        "dropout(x, self.rate, __import__('copy').deepcopy(self.rng))",
        "symbolic parity",
    ),
    module("derivative without the mask", "nn/dropout.py", "nn.Dropout", "dropout_dx(dy, mask=mask)", "dy"),
    module(
        "gradient of the last channels", "nn/channels.py", "nn.PadChannels", "dy[..., :inputs]", "dy[..., -inputs:]", GRADIENT
    ),
    module("derivative without the scale", "nn/channels.py", "nn.ChannelAffine", "dy * scale if", "dy if", GRADIENT),
    module(
        "margins swapped",
        "nn/crop.py",
        "nn.Crop2D",
        "margin, options = self.margin,",
        "margin, options = self.margin[::-1],",
        ALL_KINDS,
    ),
    module("inhibition half as strong", "models/cells.py", "models.SCells", "dx += 2 * x *", "dx += x *", "numeric"),
    module(
        "planes do not inhibit",
        "models/cells.py",
        "models.CCells",
        "dexcess / mean + dmean / x.shape[-1]",
        "dexcess / mean",
        "numeric adjoint",
    ),
]

ROWS = [*UPDATES, *OPTIMIZERS, *FORMS, *LAYERS]
