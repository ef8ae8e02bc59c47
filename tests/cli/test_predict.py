"""Tests of ``refconv predict``: predictions, and errors that name the file."""

import io
import json
import re

import numpy as np
import pytest

from command_line import refconv
from refconv import cli, load, models
from refconv.data.photo import digit_from_photo, digits_from_sheet

pillow = pytest.importorskip("PIL.Image")


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
    ("name", "shape", "outputs"),
    [
        ("lenet", (28, 28, 1), "(10,)"),
        ("resnet20-small", (32, 32, 3), "(10,)"),
        ("unet-same-small", (32, 32, 1), "(32, 32, 2)"),
    ],
)
def test_a_network_with_other_input_or_output_shapes_is_refused(tmp_path, stroke, capsys, name, shape, outputs):
    path = saved(tmp_path / "m", name, shape)
    assert cli.main(["predict", path, stroke]) == 1
    expected = "take inputs of shape (32, 32, 1) and return the scores of classes"
    assert capsys.readouterr().err == f"refconv: {path} must {expected}, got shapes {shape} and {outputs}\n"


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
        seen = np.asarray(picture)
    assert seen.shape == (8 + 112 + 14 + 8, 8 + 3 * (112 + 8))
    digits = [digit_from_photo(stroke), *digits_from_sheet(two_ones)[0]]
    for k, digit in ((2, digits[0]), (0, digits[1]), (1, digits[2])):
        left = 8 + 120 * k
        assert (seen[8:120:4, left : left + 112 : 4] == digit).all()
        assert (seen[120:134, left : left + 112] < 128).any()  # the caption


@pytest.mark.parametrize("name", ["stroke.png", "m", "link.png", "."])
def test_show_does_not_overwrite_an_input(tmp_path, familiar, stroke, capsys, name):
    (tmp_path / "link.png").hardlink_to(stroke)
    model, target = familiar(-1), str(tmp_path / name)
    before = [(tmp_path / input_name).read_bytes() for input_name in ("m", "stroke.png")]
    assert cli.main(["predict", model, stroke, "--show", target]) == 1
    assert capsys.readouterr().err.startswith("refconv: --show must be a file")
    assert before == [(tmp_path / input_name).read_bytes() for input_name in ("m", "stroke.png")]


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
