"""Tests of ``refconv summary``: architectures, variants, input sizes and formats."""

import csv
import re

import pytest

from command_line import refconv
from refconv import models
from refconv.cli import main


def printed(capsys, *arguments):
    assert main(["summary", *arguments]) == 0
    return capsys.readouterr().out


def test_the_summary_of_resnet50_has_the_table_of_the_paper(capsys):
    text = printed(capsys, "resnet50")
    assert re.search(r"^conv5_x +Sequential, 31 layers +7 × 7 × 2048 +14,964,736 +22,528 +732,168,192 +483 × 483$", text, re.M)
    assert re.search(r"^total +25,557,032 +53,120 +3,857,973,248$", text, re.M)
    assert "memory in float32: parameters 97.7 MiB; activations of one input" in text


def test_the_options_small_input_classes_width_and_style_change_the_network(capsys):
    text = printed(capsys, "resnet50", "--small", "--input", "48x40", "--classes", "7", "--width", "0.5")
    assert re.search(r"^input +48 × 40 × 3$", text, re.M)
    assert re.search(r"^scores +Dense\(7\) +7 ", text, re.M)
    assert re.search(r"^total +60,850 ", printed(capsys, "lenet", "--style", "paper"), re.M)
    assert re.search(r"^input +96 × 64 × 5$", printed(capsys, "resnet18", "--input", "96x64x5"), re.M)


def test_the_options_layers_depth_and_format_change_the_table(capsys):
    table = list(csv.DictReader(printed(capsys, "vgg-d", "--layers", "--format", "csv").splitlines()))
    assert sum(int(row["parameters"]) for row in table) == 138_357_544
    deep = list(csv.DictReader(printed(capsys, "resnet18", "--depth", "2", "--format", "csv").splitlines()))
    assert [row["name"] for row in deep if row["name"].startswith("conv2_x")] == ["conv2_x.block1", "conv2_x.block2"]
    assert printed(capsys, "unet", "--format", "markdown").startswith("| name | layer |")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnet51"], "got 'resnet51'; did you mean "),
        (["lenet", "--input", "wide"], "must be a size such as 96x128 or 96x128x3, got 'wide'"),
        (["lenet", "--input", "32,32"], "must be a size such as 96x128 or 96x128x3, got '32,32'"),
        (["lenet", "--input", "3"], "must be a size such as 96x128 or 96x128x3, got '3'"),
        (["lenet", "--depth", "0"], "must be at least 1"),
    ],
)
def test_the_error_about_a_wrong_call_names_the_argument(capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        main(["summary", *arguments])
    assert message in capsys.readouterr().err


def test_saved_models_are_summarised(capsys, tmp_path):
    assert re.search(r"^total +61,706 +416,520$", printed(capsys, "lenet:mnist"), re.M)
    model = models.create("lenet", classes=7)
    model.build((36, 40, 1), rng=0)
    model.save(tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "model.safetensors"):  # the folder of a run, and a file
        text = printed(capsys, str(path))
        assert re.search(r"^input +36 × 40 × 1$", text, re.M)
        assert re.search(r"^scores +Dense\(7\) +7 ", text, re.M)
    assert main(["summary", str(tmp_path), "--classes", "3"]) == 1
    assert "--classes must only be given for the name of an architecture" in capsys.readouterr().err
    assert main(["summary", "lenet:none"]) == 1
    assert "weights must be one of 'mnist', 'digits' for lenet" in capsys.readouterr().err


def test_an_input_that_the_architecture_refuses_is_one_line(capsys):
    assert main(["summary", "lenet", "--input", "4x4"]) == 1
    assert re.match(r"refconv: the padded input must be at least as large as the kernel.*\n$", capsys.readouterr().err)


def test_summary_prints_the_table(tmp_path):
    assert re.search(r"^total +61,706 +416,520$", refconv("summary", "lenet", cwd=tmp_path), re.M)
    assert re.search(r"^total +60,850 ", refconv("summary", "lenet", "--style", "paper", cwd=tmp_path), re.M)
