"""Tests of folders of images by class: labels, sizes, orientation and transparency."""

import io
import struct
import unicodedata

import numpy as np
import pytest

from refconv.data import BadDataFile, DataNotFound, load_folder
from refconv.data.photo import digit_from_photo

pillow = pytest.importorskip("PIL.Image")


def paint(path, colour, size=(30, 20), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.new("RGB", size, colour).save(path, **options)


def test_classes_are_folders_in_alphabetical_order(tmp_path):
    paint(tmp_path / "sea" / "b.png", (0, 0, 200))
    paint(tmp_path / "sea" / "a.JPG", (0, 10, 250), quality=100)
    paint(tmp_path / "grass" / "x.png", (0, 150, 0))
    (tmp_path / "sea" / "notes.txt").write_text("not a picture", encoding="utf-8")
    (tmp_path / "README").write_text("not a folder", encoding="utf-8")
    (tmp_path / "sea" / "._b.png").write_bytes(b"metadata of macOS")
    images, labels, classes = load_folder(tmp_path, (7, 9))
    assert classes == ["grass", "sea"]
    assert labels.tolist() == [0, 1, 1]
    assert (images.shape, images.dtype) == ((3, 7, 9, 3), np.uint8)
    np.testing.assert_allclose(images[:, 3, 4], [(0, 150, 0), (0, 10, 250), (0, 0, 200)], atol=4)
    assert load_folder(tmp_path, 8, grey=True)[0].shape == (3, 8, 8)


def test_pictures_are_cropped_to_the_centre_and_turned_upright(tmp_path):
    half = np.zeros((20, 40, 3), np.uint8)
    half[:, :20] = 255  # the left half is white
    picture = pillow.fromarray(half)
    (tmp_path / "a").mkdir()
    picture.save(tmp_path / "a" / "plain.png")
    turned = pillow.Exif()
    turned[0x0112] = 6  # the camera was rotated by 90°
    picture.save(tmp_path / "a" / "turned.jpg", exif=turned)
    (plain, turned), _, _ = load_folder(tmp_path, 10, grey=True)
    assert plain[:, :4].min() == 255
    assert plain[:, 6:].max() == 0
    assert turned[:4].min() > 250
    assert turned[6:].max() < 5


def test_missing_folders_and_files_that_are_not_images_are_named(tmp_path):
    with pytest.raises(DataNotFound, match=r"there is no folder .*nowhere"):
        load_folder(tmp_path / "nowhere", 8)
    with pytest.raises(DataNotFound, match="there is no image in the folders of"):
        load_folder(tmp_path, 8)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "page.png").write_text("<html>", encoding="utf-8")
    with pytest.raises(BadDataFile, match=r"page\.png is not a readable picture: Pillow does not recognise the file format"):
        load_folder(tmp_path, 8)


def test_a_broken_picture_and_one_of_sixteen_bits_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    content = io.BytesIO()
    pillow.fromarray(np.random.default_rng(0).integers(0, 256, (210, 190, 3)).astype(np.uint8)).save(content, "PNG")
    before, after = content.getvalue().rsplit(b"IDAT", 1)  # the file has more than one such chunk
    (tmp_path / "a" / "broken.png").write_bytes(before + b"\xce\x9a\xbf_" + after)
    with pytest.raises(BadDataFile, match=r"broken\.png is not a readable picture: SyntaxError: broken PNG file"):
        load_folder(tmp_path, 8)
    (tmp_path / "a" / "broken.png").unlink()
    pillow.fromarray(np.full((9, 7), 40_000, np.uint16)).save(tmp_path / "a" / "scan.png")
    with pytest.raises(BadDataFile, match=r"scan\.png has pixels of more than 8 bits \(mode I"):
        load_folder(tmp_path, 8, grey=True)


def only_picture(path, grey=False):
    """Return the pixels of the only picture below the folder path/../.., at its own size."""
    with pillow.open(path) as picture:
        width, height = picture.size
    (image,), _, _ = load_folder(path.parents[1], (height, width), grey=grey)
    return image


HIDDEN, INK = (200, 10, 40), (30, 60, 90)  # colours of transparent and of opaque pixels
TRANSPARENT = {
    "rgba.png": lambda rgba: (rgba, {}),
    "la.png": lambda rgba: (rgba.convert("LA"), {}),
    "rgba.webp": lambda rgba: (rgba, {"lossless": True, "exact": True}),
    "rgba.tif": lambda rgba: (rgba, {}),
    "rgb.png": lambda rgba: (rgba.convert("RGB"), {"transparency": HIDDEN}),
    "grey.png": lambda rgba: (rgba.convert("L"), {"transparency": rgba.convert("L").getpixel((4, 2))}),
    "index.png": lambda rgba: (palette_picture(rgba), {"transparency": 1}),
    "index.gif": lambda rgba: (palette_picture(rgba), {"transparency": 1}),
    "alphas.png": lambda rgba: (palette_picture(rgba), {"transparency": bytes([255, 0])}),
}


def half_transparent():
    """Return a picture of 5×3 pixels whose left two columns are opaque and others transparent."""
    picture = pillow.new("RGBA", (5, 3), (*INK, 255))
    picture.paste((*HIDDEN, 0), (2, 0, 5, 3))
    return picture


def palette_picture(rgba):
    picture = pillow.fromarray(np.uint8(np.asarray(rgba)[..., 3] == 0)).convert("P")
    picture.putpalette([*INK, *HIDDEN])
    return picture


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("name", TRANSPARENT)
def test_transparent_pixels_become_white_and_opaque_pixels_keep_their_colour(tmp_path, name, grey):
    picture, options = TRANSPARENT[name](half_transparent())
    (tmp_path / "a").mkdir()
    picture.save(tmp_path / "a" / name, **options)
    level = pillow.new("RGB", (1, 1), INK).convert("L").getpixel((0, 0))
    ink = level if grey or picture.mode in ("L", "LA") else INK
    expected = np.full((3, 5) if grey else (3, 5, 3), 255, np.uint8)
    expected[:, :2] = ink
    np.testing.assert_array_equal(only_picture(tmp_path / "a" / name, grey), expected)


def test_half_transparent_ink_is_mixed_with_white(tmp_path):
    (tmp_path / "a").mkdir()
    picture = pillow.new("RGBA", (7, 4), (0, 0, 0, 255))
    picture.paste((0, 80, 200, 51), (3, 0, 7, 4))  # 20 % opaque
    picture.save(tmp_path / "a" / "x.png")
    assert only_picture(tmp_path / "a" / "x.png")[1, 5].tolist() == [204, 220, 244]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("level", [255, 240])
def test_white_ink_on_a_transparent_background_is_read_as_dark_ink(tmp_path, mode, level):
    alpha = np.zeros((40, 30), np.uint8)
    alpha[8:32, 13:18] = 255
    picture = pillow.new(mode, (30, 40), (level,) * (len(mode) - 1) + (0,))
    picture.putalpha(pillow.fromarray(alpha))
    (tmp_path / "a").mkdir()
    picture.save(tmp_path / "a" / "stroke.png")
    np.testing.assert_array_equal(only_picture(tmp_path / "a" / "stroke.png", grey=True), 255 - alpha)
    assert (only_picture(tmp_path / "a" / "stroke.png") == (255 - alpha)[..., None]).all()
    dark = pillow.new("LA", (30, 40), (0, 0))
    dark.putalpha(pillow.fromarray(alpha))
    dark.save(tmp_path / "dark.png")
    white, black = (digit_from_photo(path) for path in (tmp_path / "a" / "stroke.png", tmp_path / "dark.png"))
    assert (white == black).all()
    assert white.max() == 255


UPRIGHT = np.array([[255, 0, 0], [255, 255, 0], [0, 0, 0], [0, 255, 0]], np.uint8).repeat(8, 0).repeat(8, 1)  # has no symmetry
STORED = {  # transformation of the upright picture by the camera for each orientation (EXIF 2.32, tag 0x0112)
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "lzw.tif"])
def test_every_orientation_is_turned_upright(tmp_path, ending, orientation):
    path = tmp_path / "a" / f"x.{ending}"
    path.parent.mkdir()
    exif = pillow.Exif()
    exif[0x0112] = orientation
    options = {"compression": "tiff_lzw"} if ending == "lzw.tif" else {"quality": 100} if ending == "jpg" else {}
    pillow.fromarray(np.ascontiguousarray(STORED[orientation](UPRIGHT))).save(path, exif=exif, **options)
    (image,), _, _ = load_folder(tmp_path, UPRIGHT.shape, grey=True)
    assert ((image > 127) == (UPRIGHT > 127)).all()


def exif_block(*entries):
    """Return EXIF metadata with entries (tag, type, count, bytes) that Pillow would not write."""
    start, table, values = 10 + 12 * len(entries) + 4, b"", b""
    for tag, kind, count, content in sorted(entries):
        table += struct.pack("<HHI", tag, kind, count)
        table += content.ljust(4, b"\0") if len(content) <= 4 else struct.pack("<I", start + len(values))
        values += content if len(content) > 4 else b""
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + table + struct.pack("<I", 0) + values


ODD_TAGS = {
    "x-resolution-of-minus-one": (0x011A, 10, 1, struct.pack("<ii", -1, 1)),
    "x-resolution-over-zero": (0x011A, 5, 1, struct.pack("<II", 1, 0)),
    "negative-strip-offset": (0x0111, 9, 1, struct.pack("<i", -5)),
    "exif-table-at-a-float": (0x8769, 11, 1, struct.pack("<f", 1.5)),
    "exif-table-before-the-file": (0x8769, 9, 1, struct.pack("<i", -1)),
    "gps-table-after-the-file": (0x8825, 4, 1, struct.pack("<I", 2**31)),
    "xmp-of-numbers": (0x02BC, 3, 2, struct.pack("<HH", 7, 9)),
    "not-a-number": (0x011B, 12, 1, struct.pack("<d", np.nan)),
    "unknown-type": (0x0131, 99, 1, b"x"),
    "value-after-the-file": (0x0132, 4, 9999, b"abcd"),
}


@pytest.mark.parametrize("tag", ODD_TAGS)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_an_invalid_metadata_tag_does_not_change_the_picture(tmp_path, tag, ending):
    exif = exif_block(ODD_TAGS[tag], (0x0112, 3, 1, struct.pack("<H", 6)))
    stored = pillow.fromarray(np.ascontiguousarray(np.rot90(UPRIGHT)))
    path = tmp_path / "a" / f"x.{ending}"
    path.parent.mkdir()
    stored.save(path, exif=exif)
    (image,), _, _ = load_folder(tmp_path, UPRIGHT.shape, grey=True)
    assert ((image > 127) == (UPRIGHT > 127)).all()
    assert digit_from_photo(path).max() > 200


UNREADABLE = {
    "nine": (3, 1, b"\x09"),
    "zero": (3, 1, b"\0"),
    "a byte": (1, 1, b"\6"),
    "text": (2, 2, b"6\0"),
    "an unknown type": (99, 1, b"\6"),
    "after the file": (4, 9999, b"\6"),
}


@pytest.mark.parametrize("orientation", UNREADABLE)
def test_an_unreadable_orientation_counts_as_upright(tmp_path, orientation):
    (tmp_path / "a").mkdir()
    pillow.fromarray(UPRIGHT).save(tmp_path / "a" / "x.png", exif=exif_block((0x0112, *UNREADABLE[orientation])))
    np.testing.assert_array_equal(only_picture(tmp_path / "a" / "x.png", grey=True), UPRIGHT)


@pytest.mark.parametrize(
    "name",
    [
        *(".git", ".ipynb_checkpoints", "__pycache__", "__MACOSX", "$RECYCLE.BIN", "$Recycle.Bin"),
        *("System Volume Information", "@eaDir", "lost+found"),
    ],
)
def test_folders_that_programs_create_are_not_classes(tmp_path, name):
    paint(tmp_path / name / "x.png", (1, 2, 3))
    paint(tmp_path / "cat" / "x.png", (9, 2, 3))
    _, labels, classes = load_folder(tmp_path, 4)
    assert (labels.tolist(), classes) == ([0], ["cat"])
    assert load_folder(tmp_path, 4, classes=["cat"])[2] == ["cat"]


def test_classes_and_files_are_sorted_by_code_points_of_their_composed_names(tmp_path):
    decomposed = unicodedata.normalize("NFD", "é")  # "e" and an accent precede "z", and the composed "é" follows it
    for name in ("z", "a", "Z", decomposed):
        paint(tmp_path / name / "x.png", 0)
    for level, name in enumerate(("B.png", "a.png", "z.png", f"{decomposed}.png")):
        paint(tmp_path / "a" / name, (level, 0, 0))
    (tmp_path / "a" / "x.png").unlink()
    images, labels, classes = load_folder(tmp_path, 4)
    assert classes == ["Z", "a", "z", "\u00e9"]
    assert labels.tolist() == [0, 1, 1, 1, 1, 2, 3]
    assert images[1:5, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_two_folders_with_the_same_composed_name_are_refused(tmp_path):
    paint(tmp_path / "caf\u00e9" / "x.png", 0)
    try:
        (tmp_path / "cafe\u0301").mkdir()
    except FileExistsError:
        pytest.skip("this file system composes names itself")
    with pytest.raises(ValueError, match="must have one folder for each class, got two named 'caf\u00e9'"):
        load_folder(tmp_path, 4)


def test_an_empty_class_keeps_its_label_and_warns(tmp_path):
    paint(tmp_path / "ash" / "x.png", (10, 0, 0))
    (tmp_path / "elm").mkdir()
    (tmp_path / "elm" / "album.png").mkdir()  # a folder with the name of a picture
    paint(tmp_path / "oak" / "x.png", (30, 0, 0))
    with pytest.warns(UserWarning, match=r"has no images of the class 'elm' \(label 1\)"):
        _, labels, classes = load_folder(tmp_path, 4)
    assert (labels.tolist(), classes) == ([0, 2], ["ash", "elm", "oak"])


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_given_classes_fix_the_labels(tmp_path, kind):
    paint(tmp_path / "ash" / "x.png", (10, 0, 0))
    paint(tmp_path / "oak" / "x.png", (30, 0, 0))
    images, labels, classes = load_folder(tmp_path, 4, classes=kind(["oak", "ash"]))
    assert (images[:, 0, 0, 0].tolist(), labels.tolist(), classes) == ([30, 10], [0, 1], ["oak", "ash"])
    with pytest.warns(UserWarning, match=r"has no images of the class 'elm' \(label 1\)"):
        images, labels, classes = load_folder(tmp_path, 4, classes=kind(["ash", "elm", "oak"]))
    assert (images[:, 0, 0, 0].tolist(), labels.tolist(), classes) == ([10, 30], [0, 2], ["ash", "elm", "oak"])


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        (["ash"], ValueError, r"classes must include every folder of .*, got none for 'oak'"),
        (["ash", "oak", "ash"], ValueError, "classes must differ, got 'ash' more than once"),
        ("ash", TypeError, "classes must be a sequence of names, got 'ash'"),
        ({"ash", "oak"}, TypeError, "classes must be a sequence of names, got {"),
        (["ash", 3], TypeError, r"classes must be a sequence of names, got \['ash', 3\]"),
        (5, TypeError, "classes must be a sequence of names, got 5"),
    ],
)
def test_the_error_about_wrong_classes_names_them(tmp_path, classes, error, message):
    paint(tmp_path / "ash" / "x.png", 0)
    paint(tmp_path / "oak" / "x.png", 0)
    with pytest.raises(error, match=message):
        load_folder(tmp_path, 4, classes=classes)
