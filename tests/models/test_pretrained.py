"""Tests of networks with trained weights: the files of the package, and files of users."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

import refconv
from refconv import data, models, nn
from refconv.models.pretrained import PACKAGED, weights_path
from refconv.training import evaluate

PAIRS = [(network, weights) for network, names in PACKAGED.items() for weights in names]
FOLDER = Path(models.pretrained.__file__).parent
ROW = re.compile(r"^\| `(\w+):(\w+)` \| ([\d.]+) % \| ([\d,]+) \| `refconv train .*` \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def published():
    """Return the accuracy, the size and the checksum of each row of the README."""
    rows = ROW.findall((FOLDER / "README.md").read_text("utf-8"))
    return {tuple(pair): (float(accuracy), int(size.replace(",", "")), sha256) for *pair, accuracy, size, sha256 in rows}


def test_the_readme_has_the_size_and_the_checksum_of_each_file():
    rows = published()
    assert [*rows] == PAIRS
    for pair, (_, size, sha256) in rows.items():
        content = weights_path(*pair).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size, sha256)
    assert {path.stem for path in FOLDER.glob("*.safetensors")} == {"-".join(pair) for pair in PAIRS}
    assert sum(size for _, size, _ in rows.values()) < 2_000_000


@pytest.mark.parametrize(("network", "weights"), PAIRS)
def test_packaged_weights_state_how_they_were_trained(network, weights):
    model = models.create(network, weights=weights)
    assert weights in models.weights_names(network)
    assert (model.notes["data"], model.notes["seed"]) == (weights, 0)
    assert round(100 * model.notes["test_accuracy"], 2) == published()[network, weights][0]
    assert model.notes["recipe"].startswith(f"refconv train {network} ")
    assert len(model.notes["classes"]) == 10
    assert data.Preprocessing.from_settings(model.notes["preprocessing"]).input_shape == model.input_shape
    assert not any(parameter.frozen for parameter in model.named_parameters().values())


@pytest.mark.slow
@pytest.mark.parametrize(("network", "weights"), PAIRS)
@pytest.mark.filterwarnings("ignore:CIFAR-10:UserWarning")  # only a part of it may be on this computer
def test_packaged_weights_have_the_published_accuracy(network, weights):
    model = models.create(network, weights=weights)
    if weights == "digits":
        images, labels = data.draw_digits(5000, np.random.SeedSequence(0).generate_state(2).tolist()[1])
    elif os.environ.get("REFCONV_DATA_DIR"):
        images, labels = data.open_dataset(weights).test
    else:
        pytest.skip("REFCONV_DATA_DIR does not name a folder with the data")
    count = 1000 if weights == "cifar10" else len(images)
    prepare = data.Preprocessing.from_settings(model.notes["preprocessing"])
    accuracy = evaluate(model, data.Batches(images[:count], labels[:count], 500, shuffle=False, prepare=prepare)).accuracy
    # Another processor may round differently, and classify an image differently that is on the boundary.
    assert abs(100 * accuracy - published()[network, weights][0]) <= 100 * 2 / count


def test_drawn_digits_are_read_without_any_training():
    images, labels = data.draw_digits(300, seed=7)
    for weights, least in (("digits", 0.9), ("mnist", 0.6)):
        model = models.create("LeNet", weights=weights)
        prepare = data.Preprocessing.from_settings(model.notes["preprocessing"])
        assert (model(prepare(images)).argmax(-1) == labels).mean() > least


@pytest.fixture
def run(tmp_path):
    """Save a small network with frozen layers as a run; return the network and the folder."""
    model = models.create("resnet20-small", classes=3, width=0.5, bn_eps=1e-5)
    model.build((32, 32, 3), rng=5)
    nn.freeze_to(model, "stage1")
    model.save(tmp_path / "model.safetensors", notes={"classes": ["ash", "elm", "oak"]})
    return model, tmp_path


def test_weights_may_come_from_a_file_or_from_the_folder_of_a_run(run):
    model, folder = run
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    for weights in (folder, str(folder), folder / "model.safetensors"):
        loaded = models.create("ResNet20_small", weights=weights, width=0.5, bn_eps=1e-5)  # the file's classes
        np.testing.assert_array_equal(loaded(x), model(x))
        assert loaded.notes["classes"] == ["ash", "elm", "oak"]
        assert all(parameter.trainable for parameter in loaded.named_parameters().values() if parameter.grad is not None)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet20-small", {}, r"to resnet20-small .*, got NAME \(conv1.conv: filters 8, expected 16\)"),
        ("resnet20-small", {"width": 0.5}, r"got NAME \(conv1.norm: eps 1e-05, expected 0.001\)"),
        (
            "plain20-small",
            {"width": 0.5, "bn_eps": 1e-5},
            r"to plain20-small .*\(stage1.block1.*, expected ",
        ),
        ("resnet20", {"width": 0.5, "bn_eps": 1e-5}, r"stage1.block2: no layer, expected Sequential"),
        ("resnet20-small", {"width": 0.5, "bn_eps": 1e-5, "classes": 4}, "classes must be 3, as in NAME, got 4; .*nn.replace"),
        ("deep-image-prior", {}, "weights must belong to deep-image-prior"),
    ],
)
def test_a_network_that_is_not_that_of_the_file_is_refused(run, name, arguments, message):
    with pytest.raises(ValueError, match=message.replace("NAME", "model.safetensors")):
        models.create(name, weights=run[1] / "model.safetensors", **arguments)


def test_unknown_weights_are_refused_with_the_names_that_exist():
    message = (
        r"^weights must be one of 'mnist', 'digits' for lenet, or a file of weights or .*, got 'mnits'; did you mean mnist\?$"
    )
    with pytest.raises(ValueError, match=message):
        models.create("lenet", weights="mnits")
    with pytest.raises(ValueError, match=r"^weights must be a file of weights or the folder of a run, got 'DEFAULT'$"):
        models.create("vgg16", weights="DEFAULT")
    with pytest.raises(TypeError, match=r"^weights must be a name or a path, got True$"):
        models.create("lenet", weights=True)
    assert models.weights_names("VGG16") == []


def test_a_file_in_the_working_folder_does_not_hide_packaged_weights(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert models.create("lenet", weights="mnist").notes["data"] == "mnist"


def test_trained_weights_continue_in_a_new_task_with_a_new_last_layer():
    trained = models.create("lenet", weights="mnist")
    model = nn.replace_layer(trained, "scores", nn.Dense(26), rng=0)
    assert model.output_shape(refconv.models.input_shape("lenet")) == (26,)
