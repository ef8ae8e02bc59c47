"""Tests of ``refconv profile``: the steps of compiled inference and their times."""

import json
import struct

import pytest

from command_line import refconv
from evidence import needs_kernels
from refconv.cli import main

pytestmark = needs_kernels


def printed(capsys, *arguments):
    assert main(["profile", *arguments]) == 0
    return capsys.readouterr().out


def test_the_table_has_a_line_for_each_step(capsys):
    lines = printed(capsys, "lenet", "--images", "3", "--rounds", "2").splitlines()
    assert lines[0].split()[:3] == ["step", "computes", "layers"]
    assert [line.split()[0] for line in lines[2:8]] == ["1", "2", "3", "4", "5", "6"]
    assert "conv1, relu1, pool1" in lines[2]
    assert lines[-1].startswith("3 images, ")


def test_a_saved_model_and_options_of_architectures_are_accepted(capsys):
    table = json.loads(printed(capsys, "lenet:mnist", "--rounds", "1", "--format", "json"))
    assert [step["name"] for step in table["steps"]] == ["pool1", "pool2", "flatten", "relu3", "relu4", "scores"]
    assert table["images"] == 1
    table = json.loads(printed(capsys, "resnet18", "--small", "--input", "24x40", "--rounds", "1", "--format", "json"))
    assert table["steps"][0]["output"] == [24, 40, 16]


def test_the_times_are_drawn(capsys, tmp_path):
    path = tmp_path / "lenet.png"
    assert f"wrote {path}" in printed(capsys, "lenet", "--rounds", "1", "--out", str(path))
    assert struct.unpack(">II", path.read_bytes()[16:24]) == (1200, 480)
    svg = tmp_path / "lenet.svg"
    printed(capsys, "lenet", "--rounds", "1", "--out", str(svg))
    assert "conv_relu_pool" in svg.read_text("utf-8")


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (1, ["lenet", "--out", "a.jpg"], "--out must end in .png or .svg, got a.jpg"),
        (1, ["lenet:mnist", "--width", "2"], "--width must only be given for the name of an architecture, got lenet:mnist"),
        (1, ["lenet:mnist", "--width", "0"], "--width must only be given for the name of an architecture, got lenet:mnist"),
        (2, ["lenet", "--images", "0"], "--images"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, status, arguments, message):
    text = refconv("profile", *arguments, cwd=tmp_path, status=status)
    assert message in text
    assert "Traceback" not in text


def test_an_existing_picture_is_not_replaced(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")
    assert "already exists" in refconv("profile", "lenet", "--out", "a.png", cwd=tmp_path, status=1)
    assert (tmp_path / "a.png").read_bytes() == b"old"
