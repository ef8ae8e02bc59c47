"""The command ``refconv``: train a network, let it read images, look at it, and at what runs underneath."""

import argparse
import math
import sys

from refconv._ascii import use_ascii_forms
from refconv._config import MOST_THREADS
from refconv._version import __version__
from refconv.commands.console import mute

__all__ = ["main"]

DESCRIPTION = """\
Convolutional networks as loops you can read and kernels you can train with.

  refconv train lenet                      train LeNet-5 on digits that refconv draws itself; needs no network
  refconv train lenet --data mnist         the same on MNIST, which is downloaded once
  refconv predict MODEL IMAGE …            let it read your own handwriting
  refconv summary lenet                    the architecture as a table
  refconv draw googlenet                   its picture, for a slide
  refconv try                              run every architecture once, at its paper's size
  refconv tables                           what papers print about architectures, and what is counted
  refconv verify                           prove every operator and every derivative
  refconv trace conv2d                     every product that enters one output element
  refconv formulas                         the lectures' formulas: where each stands as a loop and as a kernel
  refconv info                             engine, instruction set, threads, data
"""

TRAIN = """\
Train a network and save it.

Writes three files to the output folder: model.safetensors, the network; history.csv, a line an epoch; training.png, the
curves and the test images that it still misreads. Ctrl-C (or SIGTERM) ends the run after the current step and saves what
there is; a second Ctrl-C ends it at once. A run whose loss is no number any more saves its history and its picture, but no
model, and ends with exit status 1.

While it runs, last.safetensors beside them is its checkpoint, written after each epoch and when the run is stopped. However it
was stopped, --resume DIR goes on from there, with the options it began with, to the same bits as a run that was not stopped.

With --validation, the network that is saved in the end is that of the epoch with the lowest validation loss; of a run that is
stopped it is the last one, and the best so far waits in best.safetensors.

On the loops (--engine reference) an image takes about a second: say --images 64 --test-images 20.
"""

PREDICT = """\
Print what a trained network reads in each image: the classes with their probabilities, the likeliest first.

Images may be PNG, JPEG or anything else that Pillow opens, of any size, dark on light or light on dark, one digit each.
They are brought into MNIST's form first: ink cut out, scaled into 20 × 20 pixels, its centre of mass in the middle.
"""

SUMMARY = """\
Print an architecture as a table: each stage with its output size, parameters, multiply-adds for one image, and the size of
what its middle output pixel sees; below it what memory parameters and activations take. Nothing is allocated or computed.
"""

DRAW = """\
Draw an architecture: what its stages make, as volumes, and a block of each kind, as boxes and arrows; U-Nets as a U.

Root scales: the edges of a volume grow with the image's size, its thickness with the number of channels, both more slowly than
these do, so that the last stages can be seen beside the first.
"""

TRY = """\
Run architectures once, each on a batch of noise, and print what it took.

Each has a process of its own; memory is the most that the process asked for beyond what an empty one does: weights and
their gradients, activations, and what kernels work in. Exit status 1 if anything is not finite.
"""

TABLES = """\
Print what papers, lectures and other libraries print about the architectures, each figure beside what is counted here.

A figure is equal if it is the count to the last digit printed, rounded or cut off. Where it is not, the reason is given: a
slip of the paper's, or a difference between the network of the paper and the one that everybody uses.
"""

VERIFY = """\
Prove the operators, layers and optimisers: a table operator × evidence, which ends with exit status 1 if anything is refuted.

symbolic: sympy's derivative of the loop minus the derivative's loop is zero. numeric: central differences. adjoint: exact
fractions, forwards and backwards. parity: loops against kernels, on cases that hypothesis draws. oracle: literal tables of
paddings, sizes and divisors; worked examples; SciPy; PyTorch, JAX, ONNX Runtime and the ONNX operator tests, where installed.
Beside each ✓ stand the number of cases and the largest error. Below the table, cases that were not compared are counted, with
the reason.

Symbolic and parity evidence also compare a layer with its operator, and an optimiser with its formula in NumPy.
"""

TRACE = """\
Print each product that enters one output element: what the loop multiplied and added, with its index letters and numbers.

The loop itself runs, on numbers that remember where they come from; so nothing here is computed by another rule than there.
Without files the arrays hold small whole numbers, none of them 0: a 0 is a padding's.
"""

FORMULAS = """\
Print the index of the book: each formula of the lectures with the loop that says it, the kernel that computes it, their
tests, and the kinds of evidence that `refconv verify` gathers for it.
"""

INFO = "Print what runs underneath: versions, engine, instruction set, threads, and the data and extras found."


def main(arguments=None) -> int:
    """Run one command; returns the exit status: 0, or 1 after an error, 2 after a wrong call, 130 after Ctrl-C.

    Source: A12, M2.
    """
    use_ascii_forms()
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options) or 0
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read us has had enough
        mute()
        return 1
    except (ImportError, OSError, ValueError, TypeError, RuntimeError, FloatingPointError) as error:
        print(f"refconv: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("refconv: interrupted", file=sys.stderr)
        return 130
    return status


def _parser():
    parser = argparse.ArgumentParser("refconv", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"refconv {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(_command(commands, "train", "train a network and save it", TRAIN, _train))
    _add_predict(_command(commands, "predict", "read images with a trained network", PREDICT, _predict))
    _add_summary(_command(commands, "summary", "print an architecture as a table", SUMMARY, _summary))
    _add_draw(_command(commands, "draw", "draw an architecture", DRAW, _draw))
    _add_try(_command(commands, "try", "run architectures once, at their paper's size", TRY, _try))
    _add_tables(_command(commands, "tables", "compare the papers' figures with what is counted", TABLES, _tables))
    _add_verify(_command(commands, "verify", "prove every operator and every derivative", VERIFY, _verify))
    _add_trace(_command(commands, "trace", "print every product that enters one output", TRACE, _trace))
    _add_formulas(_command(commands, "formulas", "print where each formula stands", FORMULAS, _formulas))
    _command(commands, "info", "print what runs underneath", INFO, _info)
    return parser


def _command(commands, name, short, description, run):
    parser = commands.add_parser(
        name, help=short, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(run=run)
    return parser


def _add_train(parser):
    add = parser.add_argument
    _add_model(parser)
    sets = ("digits", "mnist", "fashion-mnist", "kmnist")
    add("--data", choices=sets, default="digits", help="digits drawn by refconv (default), or MNIST and others in its format")
    add("--epochs", type=_positive, default=3, metavar="N", help="times through the data (default: %(default)s)")
    add("--batch-size", type=_positive, default=64, metavar="N", help="images a step (default: %(default)s)")
    add("--lr", type=float, default=0.05, metavar="X", help="first learning rate (default: %(default)s)")
    add(
        "--momentum",
        type=float,
        default=0.9,
        metavar="X",
        help="share of the velocity kept at each step (default: %(default)s)",
    )
    add(
        "--weight-decay",
        type=float,
        default=5e-4,
        metavar="X",
        help="subtracts lr·X·weight a step (default: %(default)s)",
    )
    add("--seed", type=_seed, default=0, metavar="N", help="of weights, order and drawn digits (default: %(default)s)")
    add("--images", type=_positive, metavar="N", help="training images (default: 30000 digits, or all of MNIST)")
    add("--test-images", type=_positive, metavar="N", help="test images (default: 5000 digits, or all 10000 of MNIST)")
    add(
        "--engine",
        choices=("kernels", "reference"),
        help="kernels (default where built), or the loops, a second or so an image",
    )
    add("--threads", type=_threads, metavar="N", help="threads of the kernels (default: what refconv info prints)")
    add("--out", metavar="DIR", help="output folder (default: a new one, runs/MODEL-DATA)")
    add("--resume", metavar="DIR", help="go on with the run of this output folder, as it was begun")
    add("--checkpoint-every", type=_positive, metavar="N", help="steps between checkpoints (default: those of an epoch)")
    add("--validation", type=float, metavar="X", help="share of the training images kept for validation")
    add("--patience", type=_positive, metavar="N", help="stop after so many epochs without a lower validation loss")
    add("--augment", choices=("none", "shift", "distort"), default="none", help="move or bend images (default: %(default)s)")
    add("--optimizer", choices=("sgd", "rmsprop", "adam"), default="sgd", help="(default: %(default)s)")
    add(
        "--schedule",
        choices=("cosine", "constant", "step", "plateau"),
        default="cosine",
        help="how the learning rate falls: to 0 (default: %(default)s), not at all, to a tenth after each quarter of the run, "
        "or whenever the validation loss no longer falls",
    )
    add("--label-smoothing", type=float, default=0.0, metavar="X", help="share of each label for all (default: %(default)s)")
    add("--tensorboard", action="store_true", help="write event files for TensorBoard to the output folder, too")
    add("--clip-norm", type=float, metavar="X", help="longest gradient (default: any)")


def _add_predict(parser):
    parser.add_argument("model", metavar="MODEL", help="a model.safetensors that `refconv train` saved")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, …")
    parser.add_argument("--top", type=_positive, default=3, metavar="N", help="classes to print (default: %(default)s)")


def _add_summary(parser):
    _add_architecture(parser)
    add = parser.add_argument
    add("--depth", type=_positive, default=1, metavar="N", help="how deep to look into blocks (default: %(default)s)")
    add("--layers", action="store_true", help="a row for each innermost layer, without receptive fields")
    add("--format", choices=("text", "markdown", "csv"), default="text", help="(default: %(default)s)")


def _add_architecture(parser):
    from refconv import models

    add = parser.add_argument
    add("model", choices=models.list(), metavar="MODEL", help=f"one of: {', '.join(models.list())}")
    add("--small", action="store_true", help="its small variant, which trains on a laptop")
    add("--input", type=_size, metavar="HxW", help="size of the input, or HxWxC (default: the paper's)")
    add("--classes", type=_positive, metavar="N", help="number of classes")
    add("--width", type=float, metavar="X", help="factor for the number of filters")
    add("--style", metavar="STYLE", help="of lenet, alexnet or googlenet: the paper's or a later reading")


def _add_draw(parser):
    _add_architecture(parser)
    add = parser.add_argument
    add("--block", metavar="NAME", help="only this layer, by its dotted name as in summary")
    add("--out", metavar="FILE", help="a .png or .svg (default: MODEL.png)")
    add("--overwrite", action="store_true", help="replace a file that exists")


def _add_try(parser):
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL", help="as for summary (default: all)")
    add("--small", action="store_true", help="their small variants")
    add("--batch", type=_positive, default=1, metavar="N", help="images (default: %(default)s)")
    add("--backward", action="store_true", help="the way back as well, as in training")
    add("--input", type=_size, metavar="HxW", help="size of the input, or HxWxC (default: the paper's)")


def _add_tables(parser):
    from refconv.models.published import FAMILIES

    # Not choices: in Python 3.10 and 3.11 argparse checks an empty list of names as if it were one.
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of: {', '.join(FAMILIES)} (default: all)")
    parser.add_argument("--format", choices=("text", "markdown"), default="text", help="(default: %(default)s)")


def _add_verify(parser):
    add = parser.add_argument
    add(
        "operators", nargs="*", metavar="OPERATOR", help="such as conv2d, max_pool2d_dx, nn.Conv2D or optim.SGD (default: all)"
    )
    add("--engine", choices=("kernels", "reference"), help="where differences and libraries look (default: kernels)")
    add("--quick", action="store_true", help="fewer cases: about a minute instead of several")


def _add_trace(parser):
    add = parser.add_argument
    add("operator", metavar="OPERATOR", help="such as conv2d, conv2d_dw, max_pool2d_dx")
    add("--output", type=_numbers, metavar="B,I,J,O", help="the element, indices from 0 (default: one near a corner)")
    add("--input", type=_numbers, metavar="H,W", help="the input's size, or N,H,W,C")
    add("--kernel", type=_numbers, metavar="H,W", help="the kernel's size, or the window's")
    add("--channels", type=_positive, metavar="N", help="channels of the input")
    add("--filters", type=_positive, metavar="N", help="channels of the output")
    for name in ("stride", "dilation", "output-padding"):
        add(f"--{name}", type=_numbers, metavar="N[,N]", help="of the operator")
    add("--padding", type=_padding, metavar="P", help="same, valid, …; a number; one for each axis; or before:after for each")
    add("--groups", type=_positive, metavar="N", help="of the operator")
    add("--mode", help="valid, same or full, of a plain convolution")
    for name in ("ceil-mode", "count-include-pad"):
        add(f"--{name}", action="store_true", default=None, help="of a pooling")
    add("--seed", type=_seed, default=0, metavar="N", help="of the numbers (default: %(default)s)")
    for name in ("x", "w", "b", "dy"):
        add(f"--{name}", metavar="FILE", help="an array of your own, as numpy.save writes it; channels last")


def _add_formulas(parser):
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="slides such as B3, or operators such as conv2d_dx (default: all)")
    add("--format", choices=("text", "markdown"), default="text", help="(default: %(default)s)")


def _add_model(parser):
    parser.add_argument("model", choices=("lenet",), metavar="MODEL", help="lenet")
    parser.add_argument(
        "--style",
        choices=("modern", "paper"),
        default="modern",
        help="ReLU and max pooling, or the paper's tanh (default: %(default)s)",
    )


def _positive(text):
    return _whole(text, 1)


def _seed(text):
    return _whole(text, 0)


def _threads(text):
    return _whole(text, 1, MOST_THREADS)


def _whole(text, least, most=math.inf):
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, but is {text!r}") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, but is {number}")
    if number > most:
        raise argparse.ArgumentTypeError(f"must be at most {most}, but is {number}")
    return number


def _numbers(text):
    """One number, or several."""
    numbers = tuple(_whole(part, 0) for part in text.split(","))
    return numbers if len(numbers) > 1 else numbers[0]


def _size(text):
    """ "96x128", with an x, a × or an X: height, width, and channels if there are three."""
    numbers = tuple(_whole(part, 1) for part in text.replace("×", "x").lower().split("x"))
    if len(numbers) not in (2, 3):
        raise argparse.ArgumentTypeError(f"must be a size such as 96x128 or 96x128x3, but is {text!r}")
    return numbers


def _padding(text):
    """A name as it is; "1" for all sides, "1,0" for height and width, "0:1,2:0" for top, bottom, left and right."""
    if ":" in text:
        return tuple(tuple(_whole(side, 0) for side in axis.split(":")) for axis in text.split(","))
    return _numbers(text) if text[:1].isdigit() else text


def _train(options):
    from refconv.commands.train import train

    train(options)


def _predict(options):
    from refconv.commands.predict import predict

    predict(options.model, options.images, options.top)


def _summary(options):
    from refconv.commands.summary import print_summary

    print_summary(options)


def _draw(options):
    from refconv.commands.draw import draw

    draw(options)


def _try(options):
    from refconv.commands.try_out import try_out

    return try_out(options)


def _tables(options):
    from refconv.commands.tables import print_tables

    return print_tables(options.families, options.format)


def _verify(options):
    from refconv.commands.verify import verify

    return verify(options.operators, options.engine, options.quick)


def _trace(options):
    from refconv.commands.trace import trace

    trace(options)


def _formulas(options):
    from refconv.commands.formulas import formulas

    formulas(options.names, options.format)


def _info(options):
    from refconv.commands.info import info

    info()
