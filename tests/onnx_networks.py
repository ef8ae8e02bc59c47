"""Errors of all architectures as ONNX files: in other programs, and loaded again.

    python -m tests.onnx_networks
    python -m tests.onnx_networks --full resnet50 googlenet

prints a table: the largest error of ONNX Runtime, of OpenVINO and of the network that refconv.onnx.load returns, relative to
the largest output. Without --full, it runs the small variants. Biases, normalisation and running averages are random.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import refconv
from refconv import models
from tests.onnx_runtimes import RUNTIMES, disturb, relative_error, run

BATCH = 2


def row(name, path):
    """Return the number of nodes and the errors for an architecture, as text."""
    import onnx

    model, shape = models.create(name), models.input_shape(name)
    model.build(shape, rng=0)
    disturb(model)
    x = np.random.default_rng(1).normal(size=(BATCH, *shape)).astype(np.float32)
    expected = model(x)
    refconv.onnx.save(model, path)
    data = path.read_bytes()
    onnx.checker.check_model(str(path), full_check=True)
    errors = [relative_error(run(runtime, data, x), expected) for runtime in RUNTIMES]
    texts = [f"{error:.1e}" for error in errors]
    try:
        texts.append(f"{relative_error(refconv.onnx.load(path)(x), expected):.1e}")
    except refconv.onnx.UnsupportedModelError as error:
        texts.append(f"refused: {str(error).partition(': ')[2]}")
    return [name, str(len(onnx.load(str(path)).graph.node)), *texts]


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", nargs="+", default=[], metavar="NAME", help="networks of the paper's size")
    options = parser.parse_args()
    print("| network | nodes | " + " | ".join(RUNTIMES) + " | loaded again |")
    print("|---|---:|" + "---:|" * (len(RUNTIMES) + 1))
    with tempfile.TemporaryDirectory() as folder:
        for name in options.full or [f"{name}-small" for name in models.names()]:
            print("| " + " | ".join(row(name, Path(folder) / "model.onnx")) + " |", flush=True)


if __name__ == "__main__":
    main()
