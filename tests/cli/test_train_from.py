"""Tests of ``refconv train --from``: a new last layer, frozen layers and resumed runs."""

import json
import re

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import load, models
from refconv.cli import train, training_run
from refconv.cli.parser import Parser
from refconv.cli.run_folder import own_options
from refconv.cli.saved_model import find_weights, load_model
from refconv.weights.safetensors import write_safetensors

for module in ("tqdm", "matplotlib"):
    pytest.importorskip(module)
Image = pytest.importorskip("PIL.Image")

CLASSES = ("ash", "elm", "oak")


@pytest.fixture(scope="module")
def leaves(tmp_path_factory):
    """Create pictures of three classes that differ in brightness, eight of each, in a folder."""
    root = tmp_path_factory.mktemp("data") / "leaves"
    rng = np.random.default_rng(0)
    for k, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(8):
            pixels = (80 * k + rng.integers(0, 60, (36, 40, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


@pytest.fixture
def prepared(leaves, printed, monkeypatch):
    """Return a function that prepares a run; it returns the network, the batches and the output."""

    def prepare(*arguments):
        seen = []
        with monkeypatch.context() as patched:
            patched.setattr(training_run, "dry_run", lambda *given: seen.extend(given))
            text = printed("train", *arguments, "--data", str(leaves), "--batch-size", "8", "--dry-run")
        model, _, batches, *_ = seen
        return model, batches, text

    return prepare


@pytest.fixture(scope="module")
def half_lenet(tmp_path_factory):
    """Save LeNet of half width for inputs in colour as a run; return its folder."""
    folder = tmp_path_factory.mktemp("run")
    model = models.create("lenet", classes=3, width=0.5)
    model.build((32, 32, 3), rng=4)
    preprocessing = {"size": (32, 32), "mean": (0.25, 0.5, 0.75), "std": (0.2, 0.3, 0.4), "resize": None, "ink": False}
    model.save(folder / "model.safetensors", notes={"preprocessing": preprocessing, "classes": CLASSES})
    return folder


def values(model):
    return {name: parameter.value for name, parameter in model.named_parameters().items()}


def test_other_classes_get_a_new_last_layer_and_all_other_weights_are_kept(prepared):
    """B10: the features of a trained network are used for another task."""
    model, batches, text = prepared("lenet", "--from", "mnist")
    trained = models.create("lenet", weights="mnist")
    for name, value in values(model).items():
        assert np.array_equal(value, values(trained)[name]) == (not name.startswith("scores")), name
    assert model.output_shape((32, 32, 1)) == (3,)
    assert "started from mnist; new weights for 3 classes: scores\n" in text
    own = trained.notes["preprocessing"]
    assert (batches.prepare.mean, batches.prepare.std) == (tuple(own["mean"]), tuple(own["std"]))
    assert not batches.prepare.ink  # the pictures are not digits in MNIST's format
    other, _, _ = prepared("lenet", "--from", "mnist", "--seed", "1")
    assert not np.array_equal(values(model)["scores.w"], values(other)["scores.w"])


def test_the_same_classes_keep_the_last_layer_and_the_preprocessing(prepared, half_lenet):
    model, batches, text = prepared("lenet", "--width", "0.5", "--from", str(half_lenet))
    for name, value in values(load(half_lenet)).items():
        np.testing.assert_array_equal(values(model)[name], value)
    assert f"started from {half_lenet}\n" in text
    assert (batches.prepare.mean, batches.prepare.std) == ((0.25, 0.5, 0.75), (0.2, 0.3, 0.4))
    assert batches.images.shape[1:] == (32, 32, 3)


def test_freeze_to_trains_only_the_layers_after_it(prepared):
    model, _, text = prepared("lenet", "--from", "mnist", "--freeze-to", "dense1")
    assert {name for name, parameter in model.named_parameters().items() if parameter.trainable} == {
        f"{layer}.{name}" for layer in ("dense2", "scores") for name in "wb"
    }
    assert f"frozen up to dense1: {120 * 84 + 84 + 84 * 3 + 3:,} of 61,111 parameters are trained\n" in text


@pytest.fixture
def torchvision_files(tmp_path, narrow_resnet18):
    """Save random weights of a narrow ResNet-18 as torchvision does, and as an imported model."""
    state = narrow_resnet18(-0.5)
    # With small variances, the result depends on epsilon.
    state |= {key: array**2 / 100 for key, array in state.items() if key.endswith("running_var")}
    state |= {key: np.array(7, np.int64) for key in state if key.endswith("num_batches_tracked")}
    write_safetensors(tmp_path / "weights.safetensors", state, {})
    models.create("resnet18", weights=tmp_path / "weights.safetensors").save(tmp_path / "imported.safetensors")
    return tmp_path


@needs_kernels
@pytest.mark.parametrize("file", ["weights.safetensors", "imported.safetensors"])
def test_weights_of_torchvision_are_trained_in_the_network_of_torchvision(prepared, torchvision_files, file):
    """B10: its shapes equal the paper's, but its epsilon and averages differ."""
    width = ("--width", "0.02") if file.startswith("imported") else ()
    path = str(torchvision_files / file)
    model, _, text = prepared("resnet18", "--from", path, "--freeze-to", "conv4_x", "--input", "32x32", *width)
    start = models.create("resnet18", weights=torchvision_files / "weights.safetensors")
    x = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(model[:-1](x), start[:-1](x))
    assert model.output_shape(x.shape[1:]) == (3,)
    assert "new weights for 3 classes: scores\n" in text
    assert "frozen up to conv4_x" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenet", "--from", "fashion"), "--from must be one of 'mnist', 'digits' for lenet, .*, got 'fashion'$"),
        (("resnet20", "--from", "lenet:mnist"), r"--from must belong to resnet20 .*\(conv1: Conv2D, expected Sequential\)$"),
        (("lenet", "--from", "HALF"), r"--from must belong to lenet .*\(conv1: filters 3, expected 6\)$"),
        (("lenet", "--from", "mnist", "--freeze-to", "conv9"), "--freeze-to must be one of conv1, .*scores, got 'conv9'$"),
        (("lenet", "--from", "mnist", "--freeze-to", "scores"), "--freeze-to must name a layer before .* got scores$"),
        (("lenet", "--from", "mnist", "--input", "36x44"), "--input must be 32x32 with these .* dense1.w .* 36x44$"),
        (("lenet", "--from", "mnist", "--input", "32x32x3"), "--input must have the 1 channels of --from, got 3$"),
    ],
)
def test_weights_that_do_not_fit_are_refused(printed, leaves, half_lenet, arguments, message):
    arguments = [str(half_lenet) if argument == "HALF" else argument for argument in arguments]
    assert re.search(f"^refconv: {message}", printed("train", *arguments, "--data", str(leaves), "--dry-run", status=1), re.M)


def test_freeze_to_needs_trained_weights(printed, leaves):
    message = printed("train", "lenet", "--data", str(leaves), "--freeze-to", "conv1", status=1)
    assert message == "refconv: --from must be given with --freeze-to, got only --freeze-to conv1\n"


def test_a_checkpoint_stores_the_absolute_path_of_a_file_but_the_name_of_packaged_weights(half_lenet, monkeypatch):
    parser = Parser("refconv train", "Train.")
    train.add_arguments(parser)
    monkeypatch.chdir(half_lenet)
    (half_lenet / "mnist").mkdir()
    for text, stored in {"model.safetensors": str(half_lenet / "model.safetensors"), "mnist": "mnist"}.items():
        assert own_options(parser.parse_args(["lenet", "--from", text]))["weights"] == stored


def test_commands_accept_packaged_weights_by_network_and_name(printed, tmp_path):
    assert load_model("LeNet:mnist").data == "mnist"
    for path in ("runs/lenet", "C:/runs", "resnet:20:x"):  # not the name of a network before the colon
        assert find_weights(path) == path
    assert "weights must be one of 'mnist', 'digits' for lenet" in printed("predict", "lenet:minst", "x.png", status=1)
    Image.fromarray(np.pad(np.zeros((20, 4), np.uint8), ((9, 9), (16, 16)), constant_values=255)).save(tmp_path / "one.png")
    (answer,) = json.loads(printed("predict", "lenet:mnist", str(tmp_path / "one.png"), "--format", "json"))
    assert answer["predictions"][0]["class"] == "1"


@pytest.mark.slow
@needs_kernels
def test_frozen_weights_do_not_change_in_a_run_and_a_stopped_run_resumes_to_the_same_model(
    leaves, half_lenet, tmp_path, printed, monkeypatch
):
    command = ("train", "lenet", "--width", "0.5", "--from", str(half_lenet), "--freeze-to", "conv2", "--data", str(leaves))
    options = ("--epochs", "3", "--batch-size", "8", "--lr", "0.01")
    printed(*command, *options, "--out", str(tmp_path / "whole"))

    class StopInTheSecondEpoch(training_run.StopOnSignal):
        def on_step_end(self, run):
            run.stop = run.epoch == 2

    with monkeypatch.context() as patched:
        patched.setattr(training_run, "StopOnSignal", StopInTheSecondEpoch)
        assert "continue with --resume" in printed(*command, *options, "--out", str(tmp_path / "parts"))
    assert f"started from {half_lenet}" in printed("train", "lenet", "--resume", str(tmp_path / "parts"))
    whole, parts, start = (values(load(folder)) for folder in (tmp_path / "whole", tmp_path / "parts", half_lenet))
    for name, value in whole.items():
        np.testing.assert_array_equal(parts[name], value)
        assert np.array_equal(value, start[name]) == name.startswith("conv"), name
    model = load(tmp_path / "whole")
    assert model.notes["from"] == str(half_lenet)
    assert model.named_parameters()["conv2.w"].frozen


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("option", ["--dry-run", "--find-lr"])
def test_trained_weights_work_without_a_training_run(leaves, tmp_path, printed, option):
    text = printed(
        *("train", "lenet", "--from", "mnist", "--freeze-to", "pool2", "--data", str(leaves), "--batch-size", "8"),
        *(option, "--out", str(tmp_path / "out")),
    )
    assert "frozen up to pool2" in text
    assert ("nothing was saved" if option == "--dry-run" else "the loss falls fastest") in text
