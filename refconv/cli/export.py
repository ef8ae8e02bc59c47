"""Command ``refconv export``: write a network in the file format of other programs."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.cli.architecture import add_variant, chosen, model_name, refuse_variant
from refconv.cli.arguments import one_of, positive, seed
from refconv.cli.command import Command
from refconv.cli.console import say
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv import nn

__all__ = ["COMMAND"]

DESCRIPTION = """\
Write a network in the file format of other programs, which the ending of OUT selects:

  .onnx         ONNX, for ONNX Runtime, OpenVINO and others: the network in inference, for batches of any size; needs
                refconv[onnx]
  .keras        a network of Keras 3; needs refconv[keras]
  .safetensors  weights with the keys and the order of axes of PyTorch; for the networks of torchvision, with its keys
  .pth, .pt     the same weights in a file of torch.save; needs PyTorch

MODEL is a model file, the folder of a run of `refconv train`, packaged weights such as lenet:mnist, or an .onnx or .keras
file. It may also be the name of an architecture, which gets random weights; --small, --input, --width, --style, --classes and
--seed apply only to a name.
"""


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model file, the folder of a run, or a name from `refconv list`")
    add("out", metavar="OUT", help="output file")
    add_variant(add)
    add("--classes", type=positive, metavar="N", help="number of classes")
    add("--seed", type=seed, metavar="N", help="seed of the random weights (default: 0)")
    layouts = one_of("channels-last", "channels-first")
    word = layouts["type"]
    layouts["type"] = lambda text: word(text.replace("_", "-"))  # Python's functions have channels_first
    add("--layout", **layouts, help="layout of the images in the graph (default: the layout of the network)")
    add("--overwrite", action="store_true", help="replace an existing file")


def run(options: Namespace) -> None:
    from refconv.cli.output_files import check_not_input, check_overwrite
    from refconv.cli.saved_model import find_weights
    from refconv.weights.model import RUN_FILES

    path = Path(options.out)
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ArgumentValueError(f"OUT must end in {' or '.join(FORMATS)}, got {path}")
    check_overwrite(path, options.overwrite, option=None)
    if options.layout and suffix != ".onnx":
        raise ArgumentValueError(f"--layout must only be given for an .onnx file, got {path}")
    source = find_weights(options.model)
    check_not_input("OUT", str(path), [source, *(os.path.join(source, name) for name in RUN_FILES)])
    FORMATS[suffix](options, path)
    say(f"wrote {path}, {path.stat().st_size / 2**20:.1f} MiB")


def _write_onnx(options: Namespace, path: Path) -> None:
    need("onnx", "onnx", "refconv export to ONNX")
    import refconv.onnx

    layout = options.layout and options.layout.replace("-", "_")
    refconv.onnx.save(_network(options), path, data_format=layout)


def _write_keras(options: Namespace, path: Path) -> None:
    need("h5py", "keras", "refconv export to Keras")
    from refconv import weights

    weights.to_keras(_network(options), path)


def _write_torch(options: Namespace, path: Path) -> None:
    from refconv import weights

    weights.to_torch(_network(options), path)


# Function that writes a network, by the ending of the file.
FORMATS: dict[str, Callable[[Namespace, Path], None]] = {
    ".onnx": _write_onnx,
    ".keras": _write_keras,
    **dict.fromkeys((".safetensors", ".pth", ".pt"), _write_torch),
}


def _network(options: Namespace) -> nn.Layer:
    """Return the built network of a file, or an architecture with random weights."""
    from refconv.cli.saved_model import find_weights, load_network

    path = find_weights(options.model)
    if os.path.exists(path):
        refuse_variant(options)
        return load_network(path)
    try:
        options.model = model_name(options.model)
    except Exception as error:
        advice = str(error).removeprefix("must be one of the networks listed by --help, ")
        message = f"MODEL must be an existing file or folder, or a name that `refconv list` prints, {advice}"
        raise ArgumentValueError(message) from None
    network, shape = chosen(options)
    network.build(shape, rng=options.seed or 0)
    return network


COMMAND = Command("export", "write a network for other programs", DESCRIPTION, add_arguments, run, can_be_quiet=True)
