"""Tests of ``refconv trace``, from the command line to the printed table."""

import io

import numpy as np
import pytest

from refconv.cli import main
from refconv.verify import trace


@pytest.mark.parametrize("name", ["conv2d", "conv2d_dw", "conv2d_dx", "max_pool2d", "avg_pool2d"])
def test_trace_prints_a_table_without_options(printed, name):
    assert printed("trace", name) == f"{trace(name)}\n"


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ("conv2d --output 0,1,2,0 --stride 2x1 --padding 0:1x2:0", dict(stride=(2, 1), padding=((0, 1), (2, 0)))),
        ("conv2d --output 0,1,2,0 --padding 1X2 --dilation 2 --seed 3", dict(padding=(1, 2), dilation=2, seed=3)),
        ("conv2d --output 0,1,2,0 --padding same_lower --kernel 2×5", dict(padding="same_lower", kernel=(2, 5))),
        ("conv2d --output 0,1,2,0 --channels 4 --filters 2 --groups 2", dict(channels=4, filters=2, groups=2)),
        ("conv2d --output 0,1,2,0 --input 2x6x7x3 --padding 1", dict(input=(2, 6, 7, 3), padding=1)),
        ("avg_pool2d --output 0,1,2,0 --count-include-pad --padding 1", dict(padding=1, count_include_pad=True)),
        ("max_pool2d --output 0,1,2,0 --ceil-mode --kernel 2", dict(kernel=2, ceil_mode=True)),
        ("conv_transpose2d --output 0,1,2,0 --output-padding 1x0", dict(output_padding=(1, 0))),
    ],
)
def test_options_are_passed_to_the_library(printed, arguments, settings):
    name = arguments.split()[0]
    assert printed("trace", *arguments.split()) == f"{trace(name, (0, 1, 2, 0), **settings)}\n"


def test_a_plain_convolution_accepts_a_mode_and_one_index_for_each_axis(printed):
    assert printed("trace", "convolve1d", "--mode", "same", "--output", "2") == f"{trace('convolve1d', 2, mode='same')}\n"


def test_arrays_are_read_from_files(printed, tmp_path):
    arrays = {"x": np.array([[[1], [2], [3]]]), "w": np.array([[[10]], [[100]]]), "b": np.array([0.5])}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    files = [word for name in arrays for word in (f"--{name}", str(tmp_path / f"{name}.npy"))]
    out = printed("trace", "conv1d", "--output", "0,1,0", "--padding", "valid", *files)
    assert "y[0,1,0] = 320.5" in out


def archive():
    content = io.BytesIO()
    np.savez(content, x=np.ones((1, 4, 5, 1)))
    return content.getvalue()


UNCLOSED = b"\x93NUMPY\x01\x00\x14\x00{'descr': '<f8', ((((("  # the header is 20 characters long


@pytest.mark.parametrize(
    "content",
    [b"", b"no array", b"\x93NUMPY\x01\x00", b"PK\x03\x04no archive", archive(), UNCLOSED],
    ids=["empty", "text", "cut", "no archive", "archive", "unclosed header"],
)
def test_the_error_about_a_file_without_an_array_names_the_option(printed, tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    message = printed("trace", "conv2d", "--x", str(tmp_path / "x.npy"), status=1)
    assert message.startswith("refconv: --x must be a file written by numpy.save, got")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("conv3d", "operator must be a name that `refconv verify` lists, got 'conv3d'; did you mean conv2d, "),
        ("conv2d --output 0,9,0,0", "output must contain one index for each axis, at most (0, 3, 4, 2)"),
        ("conv2d --x nowhere.npy", "nowhere.npy"),
        ("dense --stride 2", "options of dense must be left out, got stride"),
        ("conv2d --padding sam", "padding must be 'valid', 'same', "),
        ("conv2d --padding 1:2x3", "padding must be"),
    ],
)
def test_the_error_about_an_invalid_argument_is_one_line_that_names_it(printed, arguments, message):
    line = printed("trace", *arguments.split(), status=1)
    assert message in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    "option",
    [
        "--output 0,x",
        "--stride 1.5",
        "--stride 1,2",
        "--input 5,7",
        "--kernel 0x2",
        "--mode sam",
        "--padding 1:zx0:0",
        "--channels 0",
        "--seed -1",
    ],
)
def test_the_error_about_an_invalid_number_names_the_option(capsys, option):
    with pytest.raises(SystemExit, match="2"):
        main(["trace", "conv2d", *option.split()])
    assert f"argument {option.split()[0]}: must be" in capsys.readouterr().err
