"""Tests of photographed digits: MNIST's form, thin pens, and digits on sheets."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import refconv
from refconv import data
from refconv.data.photo import digit_from_photo, digits_from_sheet, stroke_width

pillow = pytest.importorskip("PIL.Image")
drawing = pytest.importorskip("PIL.ImageDraw")

ROOT = Path(refconv.__file__).parents[1]


@pytest.fixture
def photo(tmp_path):
    """Return a function that saves a picture or an array of grey levels and returns its path."""

    def save(picture):
        path = tmp_path / "photo.png"
        (pillow.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(path)
        return path

    return save


def sheet(*strokes, size=(400, 300), pen=6):
    """Draw strokes, lists of (x, y), on grey paper."""
    picture = pillow.new("L", size, 200)
    for stroke in strokes:
        drawing.Draw(picture).line(stroke, fill=50, width=pen)
    return picture


def ones(*places, height=60):
    return [[(x, y), (x, y + height)] for x, y in places]


def test_digits_in_the_form_of_mnist_are_read_in_black_and_in_white(photo):
    images, _ = data.draw_digits(15, seed=3)
    for image in images:
        white, black = (digit_from_photo(photo(picture)).astype(int) for picture in (image, 255 - image))
        assert np.abs(white - black).max() <= 2
        assert np.corrcoef(white.ravel(), image.ravel())[0, 1] > 0.5


def test_a_digit_without_a_margin_is_read_like_one_with_a_margin(photo):
    for image in data.draw_digits(15, seed=4)[0]:
        cut = image[image.any(1)][:, image.any(0)]
        whole, alone = (digit_from_photo(photo(picture)).astype(int) for picture in (image, cut))
        assert np.abs(whole - alone).mean() < 12


def test_the_ink_fits_into_a_box_and_its_centre_of_mass_is_in_the_middle(photo):
    digit = digit_from_photo(photo(sheet([(60, 40), (60, 200), (150, 200)])))
    rows, columns = np.nonzero(digit)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert digit.sum(1) @ np.arange(28) / digit.sum() == pytest.approx(13.5, abs=0.6)
    assert digit.sum(0) @ np.arange(28) / digit.sum() == pytest.approx(13.5, abs=0.6)


@pytest.mark.parametrize("size", [(400, 300), (50, 40)], ids=["photograph", "small"])
@pytest.mark.parametrize("pen", [1, 2])
def test_thin_strokes_become_as_wide_as_in_mnist(photo, size, pen):
    scale = size[0] / 400
    seven = [(x * scale, y * scale) for x, y in [(100, 60), (220, 60), (140, 240)]]
    digit = digit_from_photo(photo(sheet(seven, size=size, pen=pen)))
    width = stroke_width(np.repeat(np.repeat(digit, 8, 0), 8, 1)) / 8
    assert 1.7 < width < 3.3
    assert digit.max() == 255
    assert (digit > 127).any(1).sum() >= 19


def test_strokes_of_usual_width_are_not_changed(photo):
    narrow, wide = (digit_from_photo(photo(sheet([(100, 60), (220, 60), (140, 240)], pen=pen))) for pen in (20, 40))
    assert narrow.sum() < 0.6 * wide.sum()


def test_a_sheet_is_read_line_by_line_from_left_to_right(photo):
    first, second = [(300, 20), (40, 40), (170, 30)], [(100, 150), (20, 160)]
    digits, boxes = digits_from_sheet(photo(sheet(*ones(*first, *second))))
    assert digits.shape == (5, 28, 28)
    assert boxes[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert boxes[:, 2].tolist() == pytest.approx([37, 167, 297, 17, 97], abs=2)
    assert boxes[:, 1].tolist() == pytest.approx([40, 30, 20, 160, 150], abs=2)
    assert (boxes[:, 3] - boxes[:, 1]).tolist() == pytest.approx([61] * 5, abs=3)
    assert (boxes[:, 4] - boxes[:, 2]).tolist() == pytest.approx([6] * 5, abs=3)


def test_a_tilted_line_is_one_line(photo):
    places = [(20 + 40 * k, 120 - 8 * k) for k in range(9)]
    assert digits_from_sheet(photo(sheet(*ones(*places))))[1][:, 0].tolist() == [0] * 9


FIVE = [[(110, 30), (70, 30)], [(68, 42), (66, 60), (100, 70), (100, 95), (60, 95)]]  # the bar is apart from the bow
FOUR = [[(250, 35), (245, 65), (275, 65)], [(283, 35), (283, 100)]]  # open, and the stem does not touch


def test_the_pieces_of_a_digit_are_joined(photo):
    digits, boxes = digits_from_sheet(photo(sheet(*FIVE, *ones((170, 30)), *FOUR, pen=4)))
    assert boxes[:, 2].tolist() == pytest.approx([58, 168, 243], abs=2)
    alone = digit_from_photo(photo(sheet(*FIVE, pen=4)))
    assert np.abs(digits[0].astype(int) - alone).max() <= 40


def test_a_speck_and_a_dash_are_not_digits(photo):
    dash, point = [(200, 60), (230, 60)], [(300, 80), (304, 80)]
    assert len(digits_from_sheet(photo(sheet(*ones((50, 30), (120, 30), (350, 30)), dash, point)))[0]) == 3


def test_positions_are_in_pixels_of_the_original_picture(photo):
    picture = sheet(*ones((300, 40), (1500, 60), height=400), size=(3200, 600), pen=40)
    assert digits_from_sheet(photo(picture))[1][:, 1:].tolist() == [
        pytest.approx([40, 281, 440, 320], abs=6),
        pytest.approx([60, 1481, 460, 1520], abs=6),
    ]


@pytest.mark.parametrize("read", [digit_from_photo, digits_from_sheet])
def test_errors_name_the_file(photo, tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r"there is no image .*none\.png"):
        read(tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"photo\.png must show a digit, got a blank image"):
        read(photo(sheet()))


@pytest.fixture(scope="module")
def paper():
    if not (ROOT / "benchmarks").is_dir():
        pytest.skip("an installed package has no benchmarks")
    sys.path.append(str(ROOT))
    from benchmarks import paper

    return paper


@pytest.mark.parametrize("kind", ["edge shadow", "edge of the table", "all"])
def test_a_photograph_becomes_the_same_digit_in_any_light(photo, paper, kind):
    condition = paper.KINDS[kind]
    plain = paper.Kind(pen=condition.pen, ink=condition.ink)
    # The same generator draws the same digit; only light, paper and noise differ. A tilt would move the ink.
    pictures = [paper.photographs(replace(c, tilt=0), 1, seed=1)[0][0] for c in (plain, condition)]
    digits = [digit_from_photo(photo(picture)).astype(int) for picture in pictures]
    assert np.abs(digits[0] - digits[1]).mean() < 12


def test_a_sheet_photographed_in_a_shadow_has_all_digits(photo, paper):
    pictures, _ = paper.sheets(paper.KINDS["edge shadow"], 2, 3, 1, seed=1)
    assert digits_from_sheet(photo(pictures[0]))[1][:, 0].tolist() == [0, 0, 0, 1, 1, 1]
