"""Tests of ``refconv train`` and ``refconv evaluate`` on folders of pictures."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import load, models
from refconv.cli import main, run_folder, training_data, training_run
from refconv.cli.train import UNTRAINED
from refconv.data import ImageFiles, draw_digits, open_dataset
from refconv.data.datasets import open_split

for module in ("tqdm", "matplotlib"):
    pytest.importorskip(module)
Image = pytest.importorskip("PIL.Image")

pytestmark = needs_kernels
SHORT = ("--epochs", "1", "--batch-size", "8")


@pytest.fixture(scope="module")
def leaves(tmp_path_factory):
    """Create pictures of three classes that differ in colour, 12 of each, in a folder."""
    root = tmp_path_factory.mktemp("data") / "leaves"
    rng = np.random.default_rng(0)
    for k, name in enumerate(("ash", "elm", "oak")):
        (root / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(0, 60, (20, 24, 3)).astype(np.uint8)
            pixels[..., k] += 150
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Create ten images of bright squares and their masks."""
    root = tmp_path_factory.mktemp("data") / "cells"
    rng = np.random.default_rng(1)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for k in range(10):
        mask = np.zeros((64, 64), np.uint8)
        top, left = rng.integers(8, 30, 2)
        mask[top : top + 20, left : left + 24] = 255
        Image.fromarray(mask // 2 + rng.integers(0, 60, mask.shape).astype(np.uint8)).save(root / "images" / f"{k}.png")
        Image.fromarray(mask).save(root / "masks" / f"{k}.png")
    return root


@pytest.fixture(scope="module")
def leaves_model(leaves, tmp_path_factory):
    """Train LeNet on the leaves; return the folder of the run."""
    out = tmp_path_factory.mktemp("runs") / "leaves"
    assert (
        main(
            ["train", "lenet", "--data", str(leaves), "--epochs", "8", "--batch-size", "4", "--lr", "0.01", "--out", str(out)]
        )
        == 0
    )
    return out


def test_a_folder_gives_the_classes_the_channels_and_the_preprocessing(leaves_model):
    model = load(leaves_model)
    assert model.input_shape == (32, 32, 3)
    assert model.output_shape((32, 32, 3)) == (3,)
    assert model.notes["classes"] == ["ash", "elm", "oak"]
    assert model.notes["data"] == "leaves"
    assert model.notes["test_accuracy"] == 1.0
    assert sorted(model.notes["preprocessing"]) == ["ink", "mean", "resize", "size", "std"]
    assert 0.15 < min(model.notes["preprocessing"]["mean"]) < max(model.notes["preprocessing"]["mean"]) < 0.5


def test_evaluate_counts_the_images_of_each_class(leaves, leaves_model, tmp_path, printed):
    (tmp_path / "oak").mkdir()
    for number in range(3):
        (tmp_path / "oak" / f"{number}.png").write_bytes((leaves / "oak" / f"0{number}.png").read_bytes())
    (tmp_path / "ash").mkdir()
    (tmp_path / "ash" / "an_oak.png").write_bytes((leaves / "oak" / "04.png").read_bytes())
    results = json.loads(printed("evaluate", str(leaves_model), "--data", str(tmp_path), "--json"))
    assert results["images"] == 4
    assert results["accuracy"] == 0.75
    assert results["confusion"] == [[0, 0, 1], [0, 0, 0], [0, 0, 3]]
    assert [line["correct"] for line in results["classes"]] == [0, 0, 3]
    text = printed("evaluate", str(leaves_model), "--data", str(tmp_path))
    assert "4 images, loss" in text
    assert "\noak          3  100.00 %\n" in text
    assert "\nelm          0         –\n" in text
    assert "\n  ash → oak: 1\n" in text


@pytest.mark.parametrize("source", ["leaves", "leaves/", "../data/leaves", "ABSOLUTE"])
def test_the_folder_of_a_run_has_the_name_of_the_data_folder(leaves, tmp_path, printed, monkeypatch, source):
    (tmp_path / "data").mkdir()
    shutil.copytree(leaves, tmp_path / "data" / "leaves")
    monkeypatch.chdir(tmp_path / "data")
    source = str(tmp_path / "data" / "leaves") if source == "ABSOLUTE" else source
    options = Namespace(model="lenet", data=source, out=None, resume=None)
    with run_folder.output_folder(options) as folder:
        assert folder == Path("runs") / "lenet-leaves"
    assert run_folder.own_options(options)["data"] == str(tmp_path / "data" / "leaves")


def test_a_folder_called_as_a_data_set_is_not_taken_for_it(leaves, tmp_path):
    shutil.copytree(leaves, tmp_path / "mnist")
    assert open_dataset(tmp_path / "mnist", 8).name == "mnist/"
    assert open_dataset(leaves, 8).name == "leaves"


def test_classes_may_be_called_masks_and_train(leaves, tmp_path):
    for name, new in (("ash", "masks"), ("elm", "train"), ("oak", "hats")):
        shutil.copytree(leaves / name, tmp_path / new)
    assert open_dataset(tmp_path, 8).classes == ("hats", "masks", "train")


def test_numbers_of_classes_that_no_mask_contains_cause_a_warning(cells, tmp_path):
    shutil.copytree(cells, tmp_path / "cells")
    for path in (tmp_path / "cells" / "masks").iterdir():
        with Image.open(path) as mask:
            levels = np.asarray(mask) // 85  # 0 and 3
        Image.fromarray(levels).save(path)
    with pytest.warns(UserWarning, match="masks has no pixels of 2 of the 4 classes 0 to 3"):
        assert open_dataset(tmp_path / "cells", 44).classes == ("0", "1", "2", "3")


def test_masks_for_a_test_may_contain_one_class(cells, tmp_path):
    shutil.copytree(cells, tmp_path / "cells")
    for path in (tmp_path / "cells" / "masks").iterdir():
        Image.new("L", (64, 64)).save(path)
    _, masks = open_split(tmp_path / "cells", size=44, classes=["0", "1"])
    assert masks.max() == 0
    with pytest.raises(ValueError, match="must contain at least two classes, got only '0'"):
        open_dataset(tmp_path / "cells", 44)


def test_predict_names_a_folder_without_images(leaves_model, tmp_path, printed):
    message = printed("predict", str(leaves_model), str(tmp_path), status=1)
    assert message == f"refconv: there is no image in the folder {tmp_path}\n"


def test_evaluate_and_predict_take_crops_from_the_same_pixels(tmp_path, leaves_model, printed):
    (tmp_path / "elm").mkdir()
    pixels = np.random.default_rng(3).integers(0, 256, (90, 90, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "elm" / "1.png")
    crops = ("--crops", "10", "--scales", "45")
    evaluated = json.loads(printed("evaluate", str(leaves_model), "--data", str(tmp_path), *crops, "--json"))
    predicted = json.loads(printed("predict", str(leaves_model), str(tmp_path), *crops, "--format", "json"))
    probabilities = {line["class"]: line["probability"] for line in predicted[0]["predictions"]}
    assert evaluated["loss"] == pytest.approx(-np.log(probabilities["elm"]), rel=1e-3)


@pytest.mark.slow
def test_evaluate_averages_crops_and_saves_the_confusion(leaves, leaves_model, tmp_path, printed):
    picture = tmp_path / "confusion.png"
    options = ("--crops", "10", "--scales", "33", "40", "--images", "6", "--confusion", str(picture), "--json")
    results = json.loads(printed("evaluate", str(leaves_model), "--data", str(leaves), *options))
    assert results["images"] == 6
    assert results["accuracy"] == 1.0
    with Image.open(picture) as opened:
        assert opened.format == "PNG"


@pytest.mark.slow
def test_evaluate_draws_digits_for_a_model_trained_on_them(tmp_path, printed):
    printed("train", "lenet", "--images", "64", "--test-images", "20", *SHORT, "--out", str(tmp_path / "out"))
    results = json.loads(printed("evaluate", str(tmp_path / "out"), "--images", "30", "--json"))
    assert results["images"] == 30
    _, labels = draw_digits(30, 1)
    assert [line["images"] for line in results["classes"]] == np.bincount(labels, minlength=10).tolist()


@pytest.mark.slow
def test_unet_learns_masks_and_is_evaluated_by_overlap(cells, tmp_path, printed):
    options = ("--input", "44x52", "--epochs", "12", "--batch-size", "2", "--lr", "0.02")
    text = printed("train", "unet", "--small", "--data", str(cells), *options, "--out", str(tmp_path / "out"))
    assert "iou 0." in text
    assert text.endswith("YOUR_IMAGE.png --masks FOLDER\n")
    results = json.loads(printed("evaluate", str(tmp_path / "out"), "--data", str(cells), "--json"))
    assert results["images"] == 10
    assert results["iou"]["1"] > 0.8
    rows = np.array(results["confusion"])
    assert rows.sum() == 10 * 4 * 12  # a valid U-Net of three sizes loses 40 pixels on each side
    assert "mean IoU 0." in printed("evaluate", str(tmp_path / "out"), "--data", str(cells))


@pytest.mark.slow
def test_a_network_of_pixels_refuses_digits_and_masks_of_the_same_name(cells, tmp_path, printed):
    options = ("--input", "44x44", "--epochs", "1", "--batch-size", "4", "--out", str(tmp_path / "out"))
    printed("train", "unet", "--small", "--data", str(cells), *options)
    message = printed("evaluate", str(tmp_path / "out"), "--data", "digits", status=1)
    assert "--data must have the 2 classes of the model (0, 1, …), got digits" in message
    shutil.copy(cells / "images" / "3.png", tmp_path / "3.png")
    images = (str(cells / "images" / "3.png"), str(tmp_path / "3.png"))
    message = printed("predict", str(tmp_path / "out"), *images, "--masks", str(tmp_path / "masks"), status=1)
    assert f"IMAGE must be files whose masks have different names, got {images[0]} and {images[1]}" in message
    assert not (tmp_path / "masks").exists()


@pytest.mark.slow
@pytest.mark.parametrize("model", [name for name in models.names() if name not in UNTRAINED])
def test_every_network_takes_training_steps_on_a_folder(leaves, cells, printed, model):
    root = cells if model.startswith("unet") else leaves
    text = printed("train", model, "--small", "--data", str(root), "--images", "8", "--batch-size", "4", "--dry-run")
    assert "2 steps of 4 images" in text


@pytest.mark.slow
def test_options_of_training_apply_to_any_network(leaves, tmp_path, printed):
    options = ("--augment", "crop", "--validation", "0.3", *SHORT)
    printed("train", "mobilenet", "--small", "--data", str(leaves), *options, "--out", str(tmp_path / "out"))
    trained = load(tmp_path / "out")
    assert trained.output_shape((32, 32, 3)) == (3,)
    assert trained.notes["preprocessing"]["size"] == [32, 32]


@pytest.mark.slow
def test_grey_pictures_become_colour_on_request(tmp_path, printed):
    for name, level in (("dark", 20), ("light", 200)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(6):
            Image.new("L", (9, 7), level + k).save(tmp_path / "data" / name / f"{k}.png")
    options = ("--data", str(tmp_path / "data"), "--test-share", "0.2", "--width", "0.5", *SHORT)
    printed("train", "lenet", *options, "--out", str(tmp_path / "grey"))
    printed("train", "lenet", *options, "--input", "28x36x3", "--out", str(tmp_path / "colour"))
    assert load(tmp_path / "grey").input_shape == (32, 32, 1)
    assert load(tmp_path / "colour").input_shape == (28, 36, 3)


@pytest.mark.slow
def test_damaged_pictures_are_named_and_left_out_on_request(leaves, tmp_path, printed, capsys):
    root = tmp_path / "data"
    for name in ("ash", "oak"):
        shutil.copytree(leaves / name, root / name)
    (root / "ash" / "03.png").write_bytes(b"not a picture")
    arguments = ("train", "lenet", "--data", str(root), "--seed", "1", *SHORT, "--out", str(tmp_path / "out"))
    message = printed(*arguments, status=1)
    assert "03.png is not a readable picture: Pillow does not recognise the file format\n" in message
    assert "refconv: --data must contain readable images, got 1 damaged; --skip-damaged leaves them out\n" in message
    assert not (tmp_path / "out").exists()
    text = printed(*arguments, "--skip-damaged")
    assert any(f"{n} training and {23 - n} test images" in text for n in (21, 22))
    message = printed("evaluate", str(tmp_path / "out"), "--data", str(root), status=1)
    assert "got 1 damaged; --skip-damaged leaves them out" in message
    assert "23 images, loss" in printed("evaluate", str(tmp_path / "out"), "--data", str(root), "--skip-damaged")


def test_damaged_pictures_for_training_and_for_the_test_are_named_together(leaves, tmp_path, printed):
    for name in ("train", "test"):
        shutil.copytree(leaves, tmp_path / "data" / name)
        (tmp_path / "data" / name / "ash" / "03.png").write_bytes(b"not a picture")
    message = printed("train", "lenet", "--data", str(tmp_path / "data"), *SHORT, "--out", str(tmp_path / "out"), status=1)
    assert all(f"{Path(name, 'ash', '03.png')} is not a readable picture" in message for name in ("train", "test"))
    assert "got 2 damaged; --skip-damaged leaves them out" in message


@pytest.mark.slow
def test_the_next_command_is_printed_for_a_shell(leaves, tmp_path, printed):
    text = printed("train", "lenet", "--data", str(leaves), *SHORT, "--out", str(tmp_path / "my run"))
    assert f"try:  refconv predict '{tmp_path / 'my run'}' YOUR_IMAGE.png" in text


@pytest.mark.slow
def test_a_resumed_run_refuses_a_folder_with_another_class(leaves, tmp_path, printed, monkeypatch):
    root, out = tmp_path / "data", tmp_path / "out"
    for name in ("elm", "oak"):
        shutil.copytree(leaves / name, root / name)

    class StopAtOnce(training_run.StopOnSignal):
        def on_step_end(self, run):
            run.stop = True

    with monkeypatch.context() as patched:
        patched.setattr(training_run, "StopOnSignal", StopAtOnce)
        assert "stopped" in printed("train", "lenet", "--data", str(root), *SHORT, "--out", str(out))
    shutil.copytree(leaves / "ash", root / "ash")  # would be label 0, which the elms had
    message = printed("train", "lenet", "--resume", str(out), status=1)
    assert "classes must include every folder of" in message
    assert "got none for 'ash'" in message
    shutil.rmtree(root / "ash")
    root.rename(tmp_path / "moved")
    assert "--data must name the folder of pictures, because there is no" in printed(
        "train", "lenet", "--resume", str(out), status=1
    )
    message = printed("train", "lenet", "--resume", str(out), "--data", "mnist", status=1)
    assert f"--data must be {root}, as in the resumed run, got mnist" in message
    assert "saved" in printed("train", "lenet", "--resume", str(out), "--data", str(tmp_path / "moved"))
    assert load(out).notes["classes"] == ["elm", "oak"]


@pytest.mark.slow
def test_evaluation_names_a_folder_that_may_contain_training_pictures(leaves, tmp_path, printed, capsys):
    for name in ("train", "test"):
        shutil.copytree(leaves, tmp_path / "data" / name)
    printed("train", "lenet", "--data", str(leaves), *SHORT, "--out", str(tmp_path / "out"))
    root = (tmp_path / "data").rename(tmp_path / leaves.name)
    for folder, warns in ((leaves, True), (root, False)):
        assert main(["evaluate", str(tmp_path / "out"), "--data", str(folder)]) == 0
        assert ("may contain the pictures of the training" in capsys.readouterr().err) == warns


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("lenet", ("--data", "CELLS"), "--data must contain one folder for each class for lenet, got"),
        ("unet-small", ("--data", "LEAVES"), "--data must contain the folders images and masks for unet-small, got"),
        (
            "unet-same-small",
            ("--data", "CELLS", "--augment", "crop"),
            "--augment must be none for images with masks, got crop",
        ),
        (
            "lenet",
            ("--data", "mnist", "--test-share", "0.2"),
            "--test-share must be left out with mnist, which has test images",
        ),
        ("lenet", ("--data", "LEAVES", "--augment", "crop", "--input", "28x36"), "--augment crop must have a square --input"),
        ("lenet", ("--data", "nowhere"), "source must be a folder or one of digits, mnist"),
        ("lenet", ("--data", "LEAVES", "--test-data", "nowhere"), "there is no folder nowhere"),
        ("lenet", ("--data", "LEAVES", "--images", "999"), "--images must be at most 33 with leaves, got 999"),
        ("lenet", ("--data", "mnist", "--test-data", "x"), "test must be left out with mnist"),
        ("lenet", ("--data", "LEAVES", "--input", "32x32x2"), "--input must have 1 or 3 channels, got 2"),
    ],
)
def test_data_that_do_not_fit_are_refused(leaves, cells, tmp_path, printed, model, options, message):
    options = [{"LEAVES": str(leaves), "CELLS": str(cells)}.get(option, option) for option in options]
    assert message in printed("train", model, *options, "--out", str(tmp_path / "out"), status=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--data must be given for a model trained on leaves, got none"),
        (("--data", "CELLS"), "--data must contain one folder for each class for this model, got"),
        (("--data", "mnist"), "--data must have the 3 classes of the model (ash, elm, oak, …), got mnist"),
        (("--data", "LEAVES", "--images", "99"), "--images must be at most 36 with"),
        (("--data", "digits"), "--data must have the 3 classes of the model (ash, elm, oak, …), got digits"),
    ],
)
def test_evaluate_refuses_data_that_do_not_fit(leaves, cells, leaves_model, printed, options, message):
    options = [{"LEAVES": str(leaves), "CELLS": str(cells)}.get(option, option) for option in options]
    assert message in printed("evaluate", str(leaves_model), *options, status=1)


def test_evaluate_refuses_folders_without_a_model_and_unknown_classes(tmp_path, leaves_model, printed):
    message = printed("evaluate", str(tmp_path), status=1)
    assert message == (
        f"refconv: there is no model in the folder {tmp_path}; "
        "expected model.safetensors, best.safetensors, last.safetensors\n"
    )
    for name in ("ash", "yew"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (9, 7)).save(tmp_path / "data" / name / "1.png")
    message = printed("evaluate", str(leaves_model), "--data", str(tmp_path / "data"), status=1)
    assert "classes must include every folder of" in message
    assert "got none for 'yew'" in message


@pytest.mark.slow
def test_a_dry_run_prints_the_network_and_writes_nothing(leaves, tmp_path, printed, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = printed("train", "resnet20", "--small", "--data", str(leaves), "--batch-size", "8", "--dry-run")
    assert "GlobalAvgPool2D" in text
    assert "5 steps of 8 images: " in text
    assert "an epoch of 5 steps" in text
    assert text.endswith("nothing was saved\n")
    assert not list(tmp_path.iterdir())
    assert "must be left out with --resume" in printed("train", "lenet", "--dry-run", "--resume", "x", status=1)


@pytest.mark.slow
def test_find_lr_saves_a_curve_and_no_network(leaves, tmp_path, printed):
    text = printed("train", "lenet", "--data", str(leaves), "--batch-size", "8", "--find-lr", "--out", str(tmp_path / "lr"))
    assert "the loss falls fastest at --lr " in text
    lines = (tmp_path / "lr" / "learning_rates.csv").read_text("utf-8").splitlines()
    assert lines[0] == "lr,loss"
    assert lines[1].startswith("1e-05,1.")
    assert sorted(path.name for path in (tmp_path / "lr").iterdir()) == ["learning_rates.csv", "learning_rates.png"]


@pytest.mark.slow
def test_a_folder_that_is_read_during_training_gives_the_same_network(leaves, tmp_path, printed, monkeypatch):
    arguments = ("train", "lenet", "--data", str(leaves), "--augment", "crop", *SHORT)
    printed(*arguments, "--out", str(tmp_path / "memory"))
    monkeypatch.setattr(training_data, "HELD_IN_MEMORY", 0)
    assert "waited for images: " in printed(*arguments, "--out", str(tmp_path / "files"))
    memory, files = (load(tmp_path / name).named_parameters() for name in ("memory", "files"))
    for name, parameter in memory.items():
        np.testing.assert_array_equal(parameter.value, files[name].value, err_msg=name)


def test_only_the_first_process_checks_the_files_of_a_large_folder(tmp_path, monkeypatch, capsys):
    paths = [tmp_path / f"{k}.png" for k in range(5)]
    for k, path in enumerate(paths):
        Image.fromarray(np.full((4, 6), 10 * k, np.uint8)).save(path)
    paths[3].write_bytes(b"no picture")
    images = ImageFiles(paths, (4, 6))
    monkeypatch.setattr(training_data, "HELD_IN_MEMORY", 0)
    found = {}
    ((first, labels),) = training_data.readable([(images, np.arange(5))], True, found)
    assert found == {"damaged": [[3]]}
    assert "skipping: " in capsys.readouterr().err
    monkeypatch.setattr(ImageFiles, "damaged", None)  # the other processes do not call it
    ((other, other_labels),) = training_data.readable([(images, np.arange(5))], True, found)
    assert first.paths == other.paths == [*paths[:3], paths[4]]
    assert labels.tolist() == other_labels.tolist() == [0, 1, 2, 4]
