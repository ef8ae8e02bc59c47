"""Fuzzing of the readers of models and checkpoints, and of other programs' networks.

``tests.fuzz`` runs it. A model that is loaded is also prepared for `refconv predict`.
"""

import importlib.util
import json
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

import refconv
from benchmarks import fuzzing, keras_fuzz, torch_fuzz
from fuzz_files import Reader, changed, result
from refconv import data, nn, optim
from refconv.data import Batches
from refconv.training import Checkpoint, fit
from refconv.weights.safetensors import CHECKSUM

__all__ = ["NETWORKS", "changed_safetensors", "checkpoints", "models", "with_description"]

WORDS = (None, True, -1, 0, 1, 3, 2**31, 10**30, 1.5, 1e400, "", "relu", "x" * 1000, [], {}, [[]], [1, 2], {"a": 1})
WORDS += ({"layer": "refconv.nn.Dense", "arguments": [3]}, {"layer": "os.system"}, {"tuple": [1]}, {"shared": 0}, "../x")
WORDS += ({"array": "w", "dtype": "O"}, {"scalar": 3, "dtype": "int64"}, {"range": [0, 10**12, 1]}, {"fraction": [1, 0]})


def network():
    """Return a small built classifier."""
    branch = nn.Sequential(conv=nn.Conv2D(3, (3, 2), padding="same"), norm=nn.BatchNorm(), relu=nn.ReLU())
    model = nn.Sequential(
        joined=nn.Concat(nn.Identity(), branch),
        pool=nn.MaxPool2D(2),
        drop=nn.Dropout(0.5),
        flatten=nn.Flatten(),
        fc=nn.Dense(2),
    )
    model.build((8, 6, 1), rng=0)
    return model


@cache
def models():
    """Return the content of a model file."""
    prepare = data.Preprocessing((8, 6), (0.5,), (0.25,))
    notes = {"preprocessing": prepare.settings(), "classes": ["a", "b"], "data": "x", "least_familiarity": 0.5}
    with tempfile.TemporaryDirectory() as folder:
        network().save(Path(folder) / "m.safetensors", notes=notes)
        return [(Path(folder) / "m.safetensors").read_bytes()]


@cache
def checkpoints():
    """Return the content of a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder), epochs=1)
        return [(Path(folder) / "last.safetensors").read_bytes()]


def train(folder, epochs):
    """Train the network for some epochs, of which the first ones may be in a checkpoint."""
    images = np.random.default_rng(0).standard_normal((8, 8, 6, 1)).astype(np.float32)
    model = network()
    batches = Batches(images, np.arange(8) % 2, 4, rng=1, prepare=lambda images: images)
    fit(model, batches, optim.SGD(model, 0.1, momentum=0.9), epochs=epochs, callbacks=[Checkpoint(folder, resume=True)])


def changed_safetensors(rng, seeds):
    """Return a safetensors file with changed bytes, a changed header or changed metadata."""
    content = rng.choice(seeds)
    kind = rng.choice(("description", "description", "description", "header", "bytes"))
    header, rest = torch_fuzz.header_and_data(content)
    header["__metadata__"].pop(CHECKSUM, None)  # else each change is noticed by the checksum
    if kind == "header":
        return kind, torch_fuzz.joined(fuzzing.with_changed_json(header, rng, torch_fuzz.WORDS), rest)
    if kind == "bytes":
        return changed(rng, [content, torch_fuzz.joined(header, rest)])
    name = rng.choice([*header["__metadata__"]])
    description = fuzzing.with_changed_json(json.loads(header["__metadata__"][name]), rng, WORDS)
    header["__metadata__"][name] = json.dumps(description)
    return kind, torch_fuzz.joined(header, rest)


def with_description(content, kind, change):
    """Return a safetensors file with a changed description in its metadata, without checksum."""
    header, data = torch_fuzz.header_and_data(content)
    header["__metadata__"].pop(CHECKSUM, None)
    description = json.loads(header["__metadata__"][kind])
    change(description)
    header["__metadata__"][kind] = json.dumps(description)
    return torch_fuzz.joined(header, data)


def load_model(path):
    from refconv.cli.saved_model import load_model as load

    load(str(path))


def load_weights(path):
    network().load_weights(path)


def resume(path):
    """Continue a run from a checkpoint."""
    for other in path.parent.iterdir():
        if other != path:
            other.unlink()
    train(path.parent, epochs=1)


@cache
def keras_contents():
    from refconv.weights import to_keras

    with tempfile.TemporaryDirectory() as folder:
        to_keras(keras_fuzz.valid_network(), Path(folder) / "valid.keras")
        return [(Path(folder) / "valid.keras").read_bytes()]


def torch_contents():
    """Return valid weights, after importing PyTorch.

    Its memory is then not counted in the child processes.
    """
    contents = [torch_fuzz.saved()]
    if importlib.util.find_spec("torch"):
        importlib.import_module("torch").set_num_threads(1)  # the threads of a parent do not exist in its children
        contents += [torch_fuzz.saved_by_torch(False), torch_fuzz.saved_by_torch(True)]
    return contents


def changed_torch(rng, seeds):
    kinds = torch_fuzz.kinds_of_changes()
    kind = rng.choice([*kinds])
    return kind, kinds[kind](rng)


@cache
def onnx_models():
    import onnx_fuzz

    return onnx_fuzz.seeds()


def onnx_contents():
    return [model.SerializeToString() for model in onnx_models()]


def changed_onnx(rng, seeds):
    import onnx_fuzz

    return onnx_fuzz.mutated(onnx_models(), rng)


def onnx_outcome(path):
    import onnx_fuzz

    return onnx_fuzz.outcome(path)


NETWORKS = (
    Reader(
        "model",
        "case.safetensors",
        models,
        lambda path: result(path, refconv.load, load_model, load_weights),
        changed_safetensors,
    ),
    Reader(
        "checkpoint", "last.safetensors", checkpoints, lambda path: result(path, refconv.load, resume), changed_safetensors
    ),
    Reader(
        "keras",
        "case.keras",
        keras_contents,
        lambda path: keras_fuzz.outcome(path, keras_fuzz.valid_network()),
        lambda rng, seeds: keras_fuzz.mutated(seeds[0], rng),
    ),
    Reader(
        "torch",
        "case.pt",
        torch_contents,
        lambda path: torch_fuzz.outcome(path, torch_fuzz.valid_network()),
        changed_torch,
    ),
    Reader("onnx", "model.onnx", onnx_contents, onnx_outcome, changed_onnx),
)
