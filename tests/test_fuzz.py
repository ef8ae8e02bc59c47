"""Tests of the fuzzing of all readers, and inputs that once were faults."""

import json
import os
import random
import struct
import sys

import numpy as np
import pytest

import refconv
from image_archives import idx, zip_of
from outside import benchmark

for package in ("PIL", "h5py", "onnx"):
    pytest.importorskip(package)
benchmark("fuzzing")  # which the modules of the readers import
if not hasattr(os, "fork"):
    pytest.skip("fuzzing needs fork", allow_module_level=True)

import fuzz  # noqa: E402
import fuzz_commands  # noqa: E402
import fuzz_files  # noqa: E402
from fuzz_networks import checkpoints, models, with_description  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of damaged files
    pytest.mark.skipif(sys.platform == "win32", reason="fuzzing needs signals"),
]


@pytest.fixture(autouse=True)
def few_pixels(monkeypatch):
    """Restore Pillow's limit, which fuzzing changes."""
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", fuzz_files.MAX_PIXELS)


def model_with(**preprocessing):
    return with_description(models()[0], "refconv", lambda d: d["notes"].update(preprocessing=preprocessing))


def long_range(description):
    description["architecture"]["model"] = {"layer": "refconv.nn.Sequential", "arguments": {"range": [0, 10**12, 1]}}


def checkpoint_with(**entries):
    return with_description(checkpoints()[0], "refconv-checkpoint", lambda d: d.update(entries))


OPTIONS = {"model": "lenet", "data": "digits"}


def run_with(**entries):
    return with_description(fuzz_commands.runs()[0], "refconv-checkpoint", lambda d: d.update(entries))


def order(**state):
    """Return a state of a random generator with other entries."""
    return {**np.random.PCG64(0).state, **state}


def png_with_long_chunk():
    """Return a PNG file with a chunk after its pixels that announces 2 GB."""
    content = fuzz_files.pictures()[1]
    return content[:-12] + struct.pack(">I", 2**31 - 1) + b"tEXt" + content[-12:]


def zip_of_several_parts():
    """Return a ZIP archive whose end states that it is one of two parts."""
    content = zip_of({"archive/data.pkl": b"x"})
    return content[:-22] + struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 2) + content[-22:]


def array_of_shape(shape):
    return fuzz_files.saved_arrays()[1].replace(b"(3,), }      ", shape.ljust(13))


# Inputs by reader and fault. The comment says what they raised.
FAULTS = {
    "a size that is larger than the file": ("npy", lambda: array_of_shape(b"(3000000000,), }")),  # MemoryError
    "a negative size": ("npy", lambda: fuzz_files.saved_arrays()[1].replace(b"(3,)", b"(-3,)")),
    "a size in the wrong form": ("model", lambda: model_with(size=[8], mean=[0.5], std=[0.25])),  # no name of the file
    "preprocessing that is a number": (
        "model",
        lambda: with_description(models()[0], "refconv", lambda d: d["notes"].update(preprocessing=3)),
    ),
    "missing preprocessing": ("model", lambda: model_with(mean=[0.5])),
    "means of another number": ("model", lambda: model_with(size=[8, 6], mean=[], std=[0.25])),
    "a long range as arguments": ("model", lambda: with_description(models()[0], "refconv", long_range)),  # MemoryError
    "no state of the order": ("checkpoint", lambda: checkpoint_with(order=None)),  # TypeError
    "a state of another generator": (
        "checkpoint",
        lambda: checkpoint_with(order=order(bit_generator="MT19937")),
    ),  # ValueError
    "a state without an entry": ("checkpoint", lambda: checkpoint_with(order={"bit_generator": "PCG64"})),  # KeyError
    "a state of large numbers": ("checkpoint", lambda: checkpoint_with(order=order(has_uint32=10**30))),  # OverflowError
    "a state that is a list": ("checkpoint", lambda: checkpoint_with(generators={"drop.rng": []})),  # TypeError
    "an epoch that is a text": ("checkpoint", lambda: checkpoint_with(epoch="1")),
    "metrics that are a list": (
        "checkpoint",
        lambda: checkpoint_with(epochs=[dict(epoch=1, images=8, seconds=1, lr=1, metrics=[])]),
    ),
    "means of texts": ("checkpoint", lambda: checkpoint_with(means={"examples": 1, "sums": {"loss": "x"}})),
    "a long chunk": ("pictures", png_with_long_chunk),  # MemoryError
    "options that are a list": ("run", lambda: run_with(notes=[])),  # AttributeError
    "epochs that are a text": ("run", lambda: run_with(notes={**OPTIONS, "epochs": "x"})),  # TypeError
    "a rate that is a list": ("run", lambda: run_with(notes={**OPTIONS, "lr": [1]})),  # TypeError
    "no data": ("run", lambda: run_with(notes={"model": "lenet"})),  # TypeError
    "one of several parts": ("torch", zip_of_several_parts),  # BadZipFile
    "one of several parts, from Keras": ("keras", zip_of_several_parts),  # BadZipFile
    "half a mask": ("masks", lambda: fuzz_files.pictures()[1][:20]),  # Truncated IHDR chunk, without the name of the file
    "a header of another type": ("idx", lambda: b"\0\0\x0e\x02" + bytes(8)),
    "labels in place of images": ("idx.gz", lambda: idx(np.array([1, 2, 3], np.uint8))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_input_that_was_a_fault_is_accepted_or_refused_by_name(tmp_path, fault):
    name, content = FAULTS[fault]
    if name == "torch":
        pytest.importorskip("torch")
    reader = fuzz.READERS[name]
    (tmp_path / reader.file).write_bytes(content())
    assert reader.outcome(tmp_path / reader.file) in ("loaded", "refused")


def test_a_damaged_checkpoint_leaves_the_batches_unchanged(tmp_path):
    from fuzz_networks import network, train
    from refconv import optim
    from refconv.data import Batches
    from refconv.training import Checkpoint, fit

    (tmp_path / "last.safetensors").write_bytes(checkpoint_with(order=None))
    with pytest.raises(refconv.ArgumentError, match=r"last\.safetensors must be a complete checkpoint .*, got TypeError"):
        train(tmp_path, epochs=1)
    images = np.random.default_rng(0).standard_normal((8, 8, 6, 1)).astype(np.float32)
    batches, model = Batches(images, np.arange(8) % 2, 4, rng=1, prepare=lambda images: images), network()
    before = batches.state()
    with pytest.raises(refconv.ArgumentError):
        fit(model, batches, optim.SGD(model, 0.1, momentum=0.9), epochs=1, callbacks=[Checkpoint(tmp_path, resume=True)])
    assert batches.state() == before


@pytest.mark.parametrize("name", [name for name in fuzz.READERS if name != "command"])
def test_every_valid_input_is_accepted_and_changes_are_reproducible(tmp_path, name):
    reader = fuzz.READERS[name]
    for content in reader.seeds():
        (tmp_path / reader.file).write_bytes(content)
        expected = ("loaded", "refused") if name in ("pictures", "masks") else ("loaded",)  # a blank digit, or 16 bits
        assert reader.outcome(tmp_path / reader.file) in expected
    if name != "torch":  # PyTorch writes other bytes each time
        assert [fuzz.content_of(reader, k) for k in range(3)] == [fuzz.content_of(reader, k) for k in range(3)]


def test_commands_are_generated_from_the_real_options():
    reader = fuzz.READERS["command"]
    commands = [json.loads(reader.mutated(random.Random(k), None)[1]) for k in range(300)]
    assert {name for name, *_ in commands} >= {"train", "predict", "trace", "export"}
    assert any("--batch-size" in arguments or "--seed" in arguments for arguments in commands)


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        (["info"], "loaded"),
        (["predict", "cut.safetensors", "image.png"], "refused"),
        (["trace", "conv2d", "--x", "cut.npy"], "refused"),
    ],
)
def test_a_command_runs_in_a_folder_with_small_files(tmp_path, arguments, outcome):
    reader = fuzz.READERS["command"]
    (tmp_path / reader.file).write_text(json.dumps(arguments), encoding="utf-8")
    assert reader.outcome(tmp_path / reader.file) == outcome


def test_an_unexpected_error_and_a_message_without_the_name_are_faults(monkeypatch, capsys, tmp_path):
    for error in (KeyError("notes"), refconv.ArgumentError("it is damaged")):

        def fails(path, error=error):
            raise error

        monkeypatch.setattr(fuzz_files, "read_idx", fails)
        reader = fuzz.READERS["idx"]._replace(outcome=lambda path: fuzz_files.result(path, fuzz_files.read_idx))
        monkeypatch.setitem(fuzz.READERS, "idx", reader)
        assert fuzz.main(["idx", "--cases", "3", "--save", str(tmp_path)]) == 1
        assert "0 accepted,      0 refused,    3 faults" in capsys.readouterr().out
        assert len([*tmp_path.iterdir()]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz.READERS)
def test_random_changes_are_accepted_or_refused(capsys, name):
    assert fuzz.main([name, "--cases", "20" if name in ("command", "run") else "150", "--seconds", "600"]) == 0
    assert capsys.readouterr().out.rstrip().endswith(" 0 faults")
