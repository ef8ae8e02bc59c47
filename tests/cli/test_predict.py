"""Tests of ``refconv predict``: predictions, and errors that name the file."""

import csv
import io
import json
import re
import sys
import threading

import numpy as np
import pytest

from command_line import refconv
from refconv import cli, load, models, nn
from refconv.data import Preprocessing
from refconv.data.photo import digit_from_photo, digits_from_sheet
from terminal import Terminal

pillow = pytest.importorskip("PIL.Image")

SMALLER = Preprocessing((28, 28), (0.0,), (1.0,))


@pytest.fixture
def stroke(tmp_path):
    path = tmp_path / "stroke.png"
    pillow.fromarray(255 - 255 * np.eye(30, dtype=np.uint8)).save(path)
    return str(path)


def saved(path, name, shape, **arguments):
    model = models.create(name, **arguments)
    model.build(shape, rng=1)
    model.save(path)
    return str(path)


def test_a_network_with_three_classes_prints_three_probabilities(tmp_path, stroke, capsys):
    assert cli.main(["predict", saved(tmp_path / "m", "lenet", (32, 32, 1), classes=3), stroke]) == 0
    assert sorted(word for word in capsys.readouterr().out.split() if len(word) == 1) == ["%", "%", "%", "0", "1", "2"]


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (
            "lenet",
            (28, 28, 1),
            "must contain the preprocessing of its images, as models saved by `refconv train` do, got none",
        ),
        ("resnet20-small", (32, 32, 3), "must contain the preprocessing of its images"),
        ("unet-same-small", (32, 32, 1), "--masks must be given for a network that classifies pixels, got none"),
    ],
)
def test_a_network_that_needs_more_than_images_is_refused(tmp_path, stroke, printed, name, shape, message):
    assert message in printed("predict", saved(tmp_path / "m", name, shape), stroke, status=1)


@pytest.mark.parametrize(
    ("notes", "layer", "message"),
    [
        ({"preprocessing": {"size": [32, 32]}}, nn.Dense(3), "preprocessing must be the settings of a Preprocessing, got"),
        (
            {"preprocessing": SMALLER.settings()},
            nn.Dense(3),
            "must contain the preprocessing for inputs (32, 32, 1), got (28, 28, 1)",
        ),
        ({"classes": ["a", "b"]}, nn.Dense(3), "must have 3 class names, got 2"),
        ({"classes": 3}, nn.Dense(3), "must have a list of class names, got 3"),
        ({}, nn.Dense(1), "must be a classifier, got a network with output shape (1,)"),
    ],
)
def test_a_model_with_wrong_notes_is_refused(tmp_path, stroke, printed, notes, layer, message):
    model = nn.Sequential(nn.Flatten(), layer)
    model.build((32, 32, 1), rng=1)
    model.save(tmp_path / "m", notes=notes)
    assert message in printed("predict", str(tmp_path / "m"), stroke, status=1)


@pytest.fixture
def colours(tmp_path):
    """Save a network that returns the mean of each channel, and pictures in two folders."""
    model = nn.Sequential(nn.GlobalAvgPool2D(), nn.Identity())
    model.build((4, 6, 3), rng=0)
    prepare = Preprocessing((4, 6), (0.0,) * 3, (0.1,) * 3, resize=(5, 7))
    model.save(tmp_path / "model", notes={"preprocessing": prepare.settings(), "classes": ["red", "green", "blue"]})
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for name, colour in (("b.png", (10, 200, 10)), ("a.jpg", (200, 10, 10)), ("more/c.png", (10, 10, 200))):
        pillow.new("RGB", (30, 20), colour).save(tmp_path / "pictures" / name)
    return tmp_path


def test_a_folder_stands_for_its_pictures_in_the_order_of_names(colours, printed):
    lines = printed("predict", str(colours / "model"), str(colours / "pictures"), "--top", "1").splitlines()
    folder = colours / "pictures"
    assert [line.rsplit("  ", 1) for line in lines] == [
        [f"{folder / 'a.jpg'}:", "red 99.9 %"],
        [f"{folder / 'b.png'}:", "green 99.9 %"],
        [f"{folder / 'more' / 'c.png'}:", "blue 99.9 %"],
    ]


def test_json_and_csv_hold_the_same_predictions(colours, printed):
    arguments = ("predict", str(colours / "model"), str(colours / "pictures"), "--top", "2", "--format")
    images = json.loads(printed(*arguments, "json"))
    table = [*csv.DictReader(io.StringIO(printed(*arguments, "csv")))]
    assert [len(image["predictions"]) for image in images] == [2, 2, 2]
    from_json = [(image["image"], k["class"], k["probability"]) for image in images for k in image["predictions"]]
    from_csv = [(row["image"], row["class"], float(row["probability"])) for row in table]
    for (image, label, p), (other, same, q) in zip(from_json, from_csv, strict=True):
        assert (image, label) == (other, same)
        assert p == pytest.approx(q, abs=1e-6)
    assert [row["rank"] for row in table] == ["1", "2"] * 3


def test_an_unreadable_image_is_named_and_the_others_are_classified(colours, capsys):
    (colours / "pictures" / "a.jpg").write_bytes(b"not a picture")
    assert cli.main(["predict", str(colours / "model"), str(colours / "pictures"), "none.png", "--top", "1"]) == 1
    out, err = capsys.readouterr()
    assert [line.split("  ")[1] for line in out.splitlines()] == ["green 99.9 %", "blue 99.9 %"]
    assert err.splitlines() == [
        f"refconv: {colours / 'pictures' / 'a.jpg'} is not a readable picture: Pillow does not recognise the file format",
        "refconv: none.png: no such file or directory",
    ]


@pytest.mark.parametrize("form", ["text", "csv"])
def test_predictions_and_errors_are_printed_above_the_bar(colours, monkeypatch, form):
    pytest.importorskip("tqdm")
    (colours / "pictures" / "a.jpg").write_bytes(b"not a picture")
    arguments = ["predict", str(colours / "model"), str(colours / "pictures"), "--top", "1", "--format", form]
    terminal = Terminal.installed(monkeypatch)
    assert cli.main(arguments) == 1
    lines = terminal.lines()
    assert "classifying:   0%|" in terminal.getvalue()
    assert not any("%|" in line for line in lines)
    assert [line.count("refconv: ") for line in lines[:-1]] == ([1, 0, 0] if form == "text" else [0, 1, 0, 0])
    terminal = Terminal.installed(monkeypatch)
    assert main_in_a_thread([*arguments, "--quiet"]) == 1
    assert terminal.getvalue() == "".join(f"{line}\n" for line in terminal.lines()[:-1])  # no bar moves to another column


def main_in_a_thread(arguments):
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(cli.main(arguments)))
    thread.start()
    thread.join()
    return statuses[0]


def test_an_image_is_read_from_the_standard_input(colours, printed, monkeypatch):
    picture = (colours / "pictures" / "b.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture), encoding="latin-1"))
    assert printed("predict", str(colours / "model"), "-", "--top", "1") == "-:  green 99.9 %\n"


def test_show_saves_what_the_network_sees(colours, printed):
    picture = colours / "seen.png"
    printed("predict", str(colours / "model"), str(colours / "pictures"), "--show", str(picture))
    with pillow.open(picture) as opened:
        pixels = np.asarray(opened.convert("RGB")).reshape(-1, 3).tolist()
    assert [10, 200, 10] in pixels
    assert [10, 10, 200] in pixels


def test_masks_are_saved_in_another_folder(tmp_path, printed):
    model = nn.Sequential(nn.Conv2D(2, 1))  # class 1 where the pixel is brighter than 0.5
    model.build((6, 8, 1), rng=0)
    w, b = model.named_parameters().values()
    w.value[...], b.value[...] = [[[[0.0, 1.0]]]], [0.5, 0.0]
    prepare = Preprocessing((6, 8), (0.0,), (1.0,), resize=(6, 8))
    model.save(tmp_path / "model", notes={"preprocessing": prepare.settings()})
    image = np.zeros((6, 8), np.uint8)
    image[1:4, 2:7] = 200
    pillow.fromarray(image).save(tmp_path / "cell.png")
    before = (tmp_path / "cell.png").read_bytes()
    printed("predict", str(tmp_path / "model"), str(tmp_path / "cell.png"), "--masks", str(tmp_path / "masks"))
    with pillow.open(tmp_path / "masks" / "cell.png") as mask:
        assert np.asarray(mask).tolist() == (image > 0).tolist()
    arguments = (
        "predict",
        str(tmp_path / "model"),
        str(tmp_path / "cell.png"),
        "--masks",
        str(tmp_path / "masks"),
        "--format",
    )
    expected = {"image": str(tmp_path / "cell.png"), "mask": str(tmp_path / "masks" / "cell.png")}
    assert json.loads(printed(*arguments, "json")) == [expected]
    assert [*csv.DictReader(io.StringIO(printed(*arguments, "csv")))] == [expected]
    message = printed("predict", str(tmp_path / "model"), str(tmp_path / "cell.png"), "--masks", str(tmp_path), status=1)
    assert "--masks must be a folder without the images" in message
    assert (tmp_path / "cell.png").read_bytes() == before


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "I8"])
def test_the_error_about_an_unsupported_dtype_of_weights_is_one_line(tmp_path, stroke, capsys, dtype):
    entry = {"dtype": dtype, "shape": [3], "data_offsets": [0, 3]}
    description = json.dumps({"name": "lenet", "arguments": {}})
    header = json.dumps({"__metadata__": {"refconv": description}, "conv1.b": entry}).encode()
    path = tmp_path / "quantised"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(3))
    assert cli.main(["predict", str(path), stroke]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"refconv: {path} ")
    assert message.count("\n") == 1
    assert dtype in message or "int8" in message


def draw(path, strokes, size, ink, paper):
    """Draw a digit as in a photo: a polyline whose width is about 7 % of the shorter side."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", size, paper)
    points = [(x * size[0], y * size[1]) for x, y in strokes]
    ImageDraw.Draw(picture).line(points, fill=ink, width=max(2, min(size) // 14), joint="curve")
    picture.save(path)


@pytest.fixture
def two_ones(tmp_path):
    """Return the path of a sheet with two strokes, 60 pixels high, at the columns 40 and 140."""
    sheet = np.full((100, 200), 200, np.uint8)
    sheet[20:80, 40:46] = sheet[24:84, 140:146] = 50
    path = tmp_path / "sheet.png"
    pillow.fromarray(sheet).save(path)
    return str(path)


@pytest.fixture
def familiar(tmp_path):
    """Return a function that saves a network with this least familiarity; it returns the path."""

    def save(least):
        model = models.create("lenet")
        model.build((32, 32, 1), rng=1)
        model.save(tmp_path / "m", notes={"least_familiarity": least})
        return str(tmp_path / "m")

    return save


def test_the_digits_of_a_sheet_are_printed_with_their_positions(familiar, two_ones, capsys):
    assert cli.main(["predict", familiar(-1), "--sheet", two_ones]) == 0
    out, err = capsys.readouterr()
    first, *digits = out.splitlines()
    assert re.fullmatch(rf"{re.escape(two_ones)}, line 1:  \d \d", first)
    positions = [
        re.fullmatch(r" +\d +[\d.]+ %   columns (\d+) to (\d+), rows (\d+) to (\d+)", line).groups() for line in digits
    ]
    assert [[int(n) for n in position] for position in positions] == [
        pytest.approx([40, 45, 20, 79], abs=1),
        pytest.approx([140, 145, 24, 83], abs=1),
    ]
    assert err == ""


def test_several_digits_without_sheet_cause_a_warning(familiar, two_ones, stroke, capsys):
    assert cli.main(["predict", familiar(-1), two_ones, stroke]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 2
    assert err == f"refconv: {two_ones} seems to show 2 digits, which were read as one; --sheet reads each of them\n"


def test_an_image_below_the_least_familiarity_causes_a_warning(familiar, two_ones, stroke, capsys):
    model = familiar(1e9)
    assert cli.main(["predict", model, stroke]) == 0
    assert capsys.readouterr().err == f"refconv: {stroke} is unlike the training images; the prediction may be meaningless\n"
    assert cli.main(["predict", model, "--sheet", two_ones]) == 0
    expected = f"{two_ones} contains digits that are unlike the training images, counted from the first: 1, 2"
    assert capsys.readouterr().err == f"refconv: {expected}\n"


def test_without_a_measured_limit_a_small_probability_causes_the_warning(tmp_path, stroke, capsys):
    path = saved(tmp_path / "m", "lenet", (32, 32, 1))  # untrained, so each probability is about 0.1
    assert cli.main(["predict", path, stroke]) == 0
    assert "is unlike the training images" in capsys.readouterr().err


def test_show_writes_the_images_that_the_network_classifies(tmp_path, familiar, two_ones, stroke):
    assert cli.main(["predict", familiar(-1), "--sheet", two_ones, stroke, "--show", str(tmp_path / "new" / "seen.png")]) == 0
    with pillow.open(tmp_path / "new" / "seen.png") as picture:
        seen = np.asarray(picture.convert("L"))
    assert seen.shape == (8 + 128 + 14 + 8, 8 + 3 * (128 + 8))
    digits = [digit_from_photo(stroke), *digits_from_sheet(two_ones)[0]]
    for k, digit in ((2, digits[0]), (0, digits[1]), (1, digits[2])):
        left = 8 + 136 * k
        framed = seen[8:136:4, left : left + 128 : 4]
        assert (framed[2:30, 2:30] == digit).all()
        assert framed.sum() == digit.sum()
        assert (seen[136:150, left : left + 128] < 128).any()  # the caption


@pytest.mark.parametrize("name", ["stroke.png", "m", "link.png", "."])
def test_show_does_not_overwrite_an_input(tmp_path, familiar, stroke, capsys, name):
    (tmp_path / "link.png").hardlink_to(stroke)
    model, target = familiar(-1), str(tmp_path / name)
    before = [(tmp_path / input_name).read_bytes() for input_name in ("m", "stroke.png")]
    assert cli.main(["predict", model, stroke, "--show", target]) == 1
    assert capsys.readouterr().err.startswith("refconv: --show must be a file")
    assert before == [(tmp_path / input_name).read_bytes() for input_name in ("m", "stroke.png")]


def test_the_digits_of_a_sheet_are_rows_of_the_csv(familiar, two_ones, printed):
    arguments = ("predict", familiar(-1), "--sheet", two_ones, "--top", "2", "--format")
    table = [*csv.DictReader(io.StringIO(printed(*arguments, "csv")))]
    (image,) = json.loads(printed(*arguments, "json"))
    assert [(row["line"], row["rank"]) for row in table] == [("0", "1"), ("0", "2")] * 2
    assert [int(row["left"]) for row in table[::2]] == [digit["left"] for digit in image["digits"]]
    assert [row["class"] for row in table[::2]] == [digit["predictions"][0]["class"] for digit in image["digits"]]


@pytest.mark.slow
def test_predict_reads_png_and_jpeg_with_dark_or_light_ink(tmp_path):
    refconv("train", "lenet", "--images", "6000", "--epochs", "2", "--out", "out", cwd=tmp_path)
    one, seven = [(0.52, 0.2), (0.48, 0.8)], [(0.3, 0.25), (0.7, 0.25), (0.45, 0.8)]
    draw(tmp_path / "one.png", one, (150, 200), "black", "white")
    draw(tmp_path / "seven.jpg", seven, (320, 240), (20, 20, 90), (230, 225, 200))
    draw(tmp_path / "night.png", seven, (90, 90), "white", "black")
    model = "out/model.safetensors"
    printed = refconv("predict", model, "one.png", "seven.jpg", "night.png", "--top", "2", cwd=tmp_path).splitlines()
    predictions = [re.fullmatch(r"(.*):  (\d) ([\d.]+) %   (\d) ([\d.]+) %", line).groups() for line in printed]
    assert [(name, digit) for name, digit, *_ in predictions] == [("one.png", "1"), ("seven.jpg", "7"), ("night.png", "7")]
    assert all(float(first) >= float(second) for _, _, first, _, second in predictions)


@pytest.mark.slow
def test_predict_names_the_file_that_cannot_be_read(trained):
    folder, _ = trained
    (folder / "page.png").write_text("<html>", encoding="utf-8")
    pillow.new("L", (30, 30), 255).save(folder / "blank.png")
    model = "out/model.safetensors"
    assert "there is no image none.png" in refconv("predict", model, "none.png", cwd=folder, status=1)
    assert "page.png is not a readable picture" in refconv("predict", model, "page.png", cwd=folder, status=1)
    assert "blank.png must show a digit, got a blank image" in refconv("predict", model, "blank.png", cwd=folder, status=1)
    assert "there is no file none" in refconv("predict", "none", "blank.png", cwd=folder, status=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pixels", "modes"),
    [
        ("share.tif", np.eye(30, dtype=np.float32), {"F"}),
        ("holes.tif", np.full((30, 20), np.nan, np.float32), {"F"}),
        ("count.tif", np.eye(30, dtype=np.int32) * 70_000, {"I"}),
        ("deep.png", np.eye(30, dtype=np.uint16) * 60_000, {"I", "I;16"}),  # Pillow 10.0 opens such a PNG as I
    ],
)
def test_predict_refuses_pixels_of_more_than_8_bits(trained, name, pixels, modes):
    folder, _ = trained
    pillow.fromarray(pixels).save(folder / name)
    printed = refconv("predict", "out/model.safetensors", name, cwd=folder, status=1)
    assert any(printed.startswith(f"refconv: {name} has pixels of more than 8 bits (mode {mode})") for mode in modes)
    assert "save it with 8 bits per channel" in printed


@pytest.mark.slow
def test_predict_prints_one_line_for_a_damaged_png_chunk(trained):
    folder, _ = trained
    content = io.BytesIO()
    pillow.fromarray(np.random.default_rng(0).integers(0, 256, (210, 190, 3)).astype(np.uint8)).save(content, "PNG")
    before, after = content.getvalue().rsplit(b"IDAT", 1)  # the picture has more than one such chunk
    (folder / "broken.png").write_bytes(before + b"\xce\x9a\xbf_" + after)
    printed = refconv("predict", "out/model.safetensors", "broken.png", cwd=folder, status=1)
    assert re.fullmatch(r"refconv: broken\.png is not a readable picture: SyntaxError: broken PNG file .*\n", printed)


@pytest.mark.slow
def test_predict_refuses_a_model_whose_weights_are_not_finite(trained):
    folder, _ = trained
    model = load(folder / "out" / "model.safetensors")
    model.named_parameters()["conv2.w"].value[1, 2, 3, 4] = np.nan
    model.save(folder / "nan.safetensors")
    pillow.fromarray(255 - 255 * np.eye(30, dtype=np.uint8)).save(folder / "stroke.png")
    printed = refconv("predict", "nan.safetensors", "stroke.png", cwd=folder, status=1)
    assert printed == "refconv: nan.safetensors must contain finite weights, got non-finite values in conv2.w\n"
