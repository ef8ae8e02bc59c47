"""Tests of opening pictures: pixel formats, first frames, and errors with the file's name."""

import io
import struct
import zlib

import numpy as np
import pytest

from refconv.data import BadDataFile
from refconv.data.pictures import on_white, open_picture

pillow = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def colours():
    """Return a picture of 7×11 pixels with random colours."""
    return pillow.fromarray(np.random.default_rng(3).integers(0, 256, (11, 7, 3)).astype(np.uint8))


@pytest.mark.parametrize(
    ("mode", "name"),
    [("1", "x.png"), ("L", "x.png"), ("P", "x.gif"), ("RGB", "x.bmp"), ("CMYK", "x.tif"), ("CMYK", "x.jpg"), ("RGB", "x.jpg")],
)
@pytest.mark.parametrize("result", ["RGB", "L"])
def test_opaque_pictures_in_every_pixel_format_keep_their_colours(tmp_path, colours, mode, name, result):
    colours.convert(mode).save(tmp_path / name)
    with pillow.open(tmp_path / name) as stored:
        assert stored.mode == mode
        expected = np.asarray(stored.convert("RGB").convert(result))
    picture = open_picture(tmp_path / name, result)
    assert picture.mode == result
    np.testing.assert_array_equal(np.asarray(picture), expected)


@pytest.mark.parametrize("name", ["x.gif", "x.png", "x.webp", "x.tif"])
def test_the_first_frame_of_an_animation_is_read(tmp_path, name):
    frames = [pillow.new("RGB", (6, 5), level) for level in ((250, 0, 0), (0, 0, 250))]
    options = {"lossless": True} if name == "x.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    assert (np.asarray(open_picture(tmp_path / name)) == (250, 0, 0)).all()


@pytest.mark.parametrize("pixels", [np.uint16, np.int32, np.float32], ids=lambda pixels: pixels.__name__)
def test_pixels_of_more_than_eight_bits_are_refused(tmp_path, pixels):
    pillow.fromarray(np.full((3, 5), 40_000, pixels)).save(tmp_path / "scan.tif")
    with pytest.raises(
        BadDataFile, match=r"scan\.tif has pixels of more than 8 bits \(mode [IF].*; save it with 8 bits per channel"
    ):
        open_picture(tmp_path / "scan.tif")


def png(width, bits, colour_type, transparent, pixels):
    """Return the bytes of a PNG file of one row with a transparent colour.

    They are made from the specification, since Pillow cannot write such files.
    """

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0)
    chunks = {b"IHDR": header, b"tRNS": transparent, b"IDAT": zlib.compress(b"\0" + pixels), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, content) for name, content in chunks.items())


@pytest.mark.parametrize("result", ["RGB", "L"])
@pytest.mark.parametrize(
    ("bits", "transparent", "pixels", "expected"),
    [
        (1, 0, "50", [255, 255, 255, 255]),  # the pixels are 0, 1, 0, 1
        (2, 1, "1b", [0, 255, 170, 255]),  # the pixels are 0, 1, 2, 3
        (2, 0, "1b", [255, 85, 170, 255]),
        (4, 5, "5f01", [255, 255, 0, 17]),
        (4, 1, "5f01", [85, 255, 0, 255]),
        (8, 5, "05000155", [255, 0, 1, 85]),
    ],
)
def test_the_transparent_grey_level_of_png_is_applied_at_every_depth(tmp_path, bits, transparent, pixels, expected, result):
    content = png(4, bits, 0, transparent.to_bytes(2, "big"), bytes.fromhex(pixels))
    (tmp_path / "x.png").write_bytes(content)
    actual = np.asarray(open_picture(tmp_path / "x.png", result)).reshape(4, -1)
    assert (actual == np.array(expected)[:, None]).all()


def test_sixteen_bit_colours_are_read_unless_one_is_transparent(tmp_path):
    pixels = struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0x12FF, 0x5678, 0x9ABC)
    content = png(2, 16, 2, pixels[:6], pixels)
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(BadDataFile, match=r"x\.png has 16 bits per channel and a transparent colour; save it with 8 bits"):
        open_picture(tmp_path / "x.png")
    start = content.index(b"tRNS") - 4
    (tmp_path / "x.png").write_bytes(content[:start] + content[start + 18 :])
    assert (np.asarray(open_picture(tmp_path / "x.png")) == (0x12, 0x56, 0x9A)).all()


def white_with_alpha(alpha, grey_pixel=None):
    picture = pillow.new("LA", alpha.shape[::-1], (255, 0))
    picture.putalpha(pillow.fromarray(alpha))
    if grey_pixel is not None:
        picture.putpixel(grey_pixel, (90, 255))
    return picture


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_white_ink_with_a_single_grey_pixel_is_recognised_as_ink(mode):
    alpha = np.zeros((28, 30), np.uint8)
    alpha[4:24, 13:16] = 255
    pixels = np.asarray(on_white(white_with_alpha(alpha, grey_pixel=(14, 20)), mode)).reshape(28, 30, -1)
    assert (pixels == (255 - alpha)[..., None]).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_blank_card_with_transparent_corners_is_white(mode):
    alpha = np.full((28, 30), 255, np.uint8)
    alpha[:3, :3] = alpha[-3:, -3:] = 0
    assert (np.asarray(on_white(white_with_alpha(alpha), mode)) == 255).all()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_dark_ink_on_a_small_white_card_is_kept(mode):
    alpha = np.zeros((40, 50), np.uint8)
    alpha[10:30, 10:34] = 255
    picture = white_with_alpha(alpha)
    picture.paste((0, 255), (20, 13, 22, 27))  # 28 of 480 pixels
    pixels = np.asarray(on_white(picture, mode)).reshape(40, 50, -1)
    expected = np.full((40, 50, 1), 255)
    expected[13:27, 20:22] = 0
    assert (pixels == expected).all()


def test_errors_of_the_file_system_are_not_changed(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        open_picture(tmp_path / "none.png")


@pytest.mark.parametrize(
    "error",
    [
        OSError("image file is truncated"),
        SyntaxError("broken PNG file"),
        struct.error("unpack requires\na buffer"),
        EOFError(),
        KeyError(274),
        TypeError("argument"),
        ZeroDivisionError("division by zero"),
        OverflowError("too large"),
        RecursionError("too deep"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_each_error_of_pillow_becomes_one_line_with_the_file_name(tmp_path, monkeypatch, error):
    def fail(*arguments):
        raise error

    path = tmp_path / "x.png"
    pillow.new("L", (4, 3)).save(path)
    monkeypatch.setattr(pillow.Image, "convert", fail)
    with pytest.raises(ValueError, match="is not a readable picture") as caught:
        open_picture(path)
    assert str(caught.value).startswith(f"{path} is not a readable picture: {type(error).__name__}: ".rstrip())
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
@pytest.mark.parametrize("method", ["convert", "getexif"])
def test_errors_that_the_file_does_not_cause_are_not_changed(tmp_path, monkeypatch, error, method):
    def fail(*arguments):
        raise error

    pillow.new("L", (4, 3)).save(tmp_path / "x.png")
    monkeypatch.setattr(pillow.Image, method, fail)
    with pytest.raises(error):
        open_picture(tmp_path / "x.png")


def file_of(kind):
    """Return the bytes of a picture in one of the formats that load_folder accepts.

    The picture has metadata if the format supports them.
    """
    rgba = pillow.fromarray(np.random.default_rng(5).integers(0, 256, (9, 13, 4)).astype(np.uint8))
    rgb, exif = rgba.convert("RGB"), pillow.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "a camera", 72.0
    picture, options = {
        "PNG": (rgba, {"exif": exif}),
        "PNG with a palette": (rgb.quantize(16), {"transparency": bytes(range(16))}),
        "JPEG": (rgb, {"exif": exif}),
        "GIF": (rgb.quantize(16), {"transparency": 2}),
        "WEBP": (rgba, {"exif": exif}),
        "TIFF": (rgb, {"exif": exif}),
        "BMP": (rgb, {}),
    }[kind]
    content = io.BytesIO()
    picture.save(content, kind.partition(" ")[0], **options)
    return content.getvalue()


def damaged(content, rng):
    """Return a copy in which a few bytes are changed, deleted or inserted.

    Most of them are near the beginning, where the file describes its structure.
    """
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        position, change = rng.integers(min(len(content), rng.choice([64, 300, len(content)]))), rng.integers(4)
        if change == 0:
            content[position] ^= 1 << rng.integers(8)
        elif change == 1:
            content[position] = rng.choice([0, 1, 127, 128, 255])
        elif change == 2:
            del content[position : position + rng.integers(1, 9)]
        else:
            content[position:position] = rng.bytes(3)
    return bytes(content[: rng.integers(1, len(content))] if rng.integers(8) == 0 else content)


@pytest.mark.parametrize("kind", ["PNG", "PNG with a palette", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_damaged_file_is_read_or_refused_by_its_name(tmp_path, kind):
    content, rng, path = file_of(kind), np.random.default_rng(11), tmp_path / "photo.png"
    path.write_bytes(content)
    assert 0 not in open_picture(path).size
    refusals = []
    for _ in range(80):
        path.write_bytes(damaged(content, rng))
        try:
            picture = open_picture(path, "L")
        except BadDataFile as error:
            refusals.append(str(error))
        else:
            assert picture.mode == "L"
            assert 0 not in picture.size
    assert 0 < len(refusals) < 80
    assert all(refusal.startswith(f"{path} ") and "\n" not in refusal for refusal in refusals)
