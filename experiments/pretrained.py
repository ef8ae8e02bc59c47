"""Training of the weights that come with refconv.

    python -m experiments.pretrained                      # print the table of refconv/models/pretrained/README.md
    python -m experiments.pretrained --train lenet-mnist  # train again, replace the file and print its row

Each file is the result of one `refconv train` command. The weights depend slightly on the processor, so another machine may
write a file with another checksum.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import sys
import tempfile
from pathlib import Path

import refconv
from refconv._ascii import use_ascii_forms
from refconv.cli import main as command
from refconv.models.pretrained import PACKAGED, weights_path

__all__ = ["RECIPES", "main", "row"]

RECIPES = {
    "lenet-mnist": "refconv train lenet --data mnist --augment distort --epochs 20",
    "lenet-digits": "refconv train lenet --images 60000 --epochs 10",
    "resnet20-cifar10": (
        "refconv train resnet20 --data cifar10 --images 10000 --test-images 1000 --augment crop --batch-size 128 --lr 0.1 "
        "--epochs 30"
    ),
}
HEAD = ("weights", "test accuracy", "bytes", "recipe", "SHA-256")


def main(arguments=None) -> int:
    """Train the selected weights, print the table, and return the exit status."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m experiments.pretrained", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", nargs="+", choices=RECIPES, default=[], metavar="NAME", help="train these weights again")
    selected = parser.parse_args(arguments).train
    for name in selected:
        if status := train(name):
            return status
    print("\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD))))
    for name in selected or RECIPES:
        print(row(name))
    return 0


def train(name) -> int:
    """Train the weights, store them with their recipe, and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "run"))
        if status := command([*shlex.split(RECIPES[name])[1:], "--out", out]):
            return status
        store(name, out)
    return 0


def store(name, run):
    """Store the network of a run as packaged weights."""
    network = refconv.load(run)
    network.save(path(name), notes={**network.notes, "recipe": RECIPES[name]})


def row(name) -> str:
    """Return the row of the table for these weights."""
    file = path(name)
    content = file.read_bytes()
    accuracy = f"{100 * refconv.load(file).notes['test_accuracy']:.2f} %"
    network, weights = pair(name)
    checksum = hashlib.sha256(content).hexdigest()
    cells = (f"`{network}:{weights}`", accuracy, f"{len(content):,}", f"`{RECIPES[name]}`", checksum)
    return f"| {' | '.join(cells)} |"


def path(name) -> Path:
    return weights_path(*pair(name))


def pair(name) -> tuple[str, str]:
    """Return the names of the network and of its weights.

    >>> pair("lenet-mnist")
    ('lenet', 'mnist')
    """
    return next((network, weights) for network in PACKAGED for weights in PACKAGED[network] if name == f"{network}-{weights}")


if __name__ == "__main__":
    sys.exit(main())
