"""Tests of ``refconv settings``: text, Markdown, and the error about an unknown name."""

import re

import pytest

from refconv.cli import main
from refconv.models.published import TRAINING


def test_each_setting_is_printed_with_its_source(capsys):
    assert main(["settings", "resnet"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("resnet: He, Zhang, Ren and Sun, ")
    assert "  batch size      256  [slide]" in lines
    assert "  initialization  He et al., 2015: weights with variance 2 / fan-in  [section 3.4]" in lines
    assert lines[-1] == "  accuracy        20.74 % top-1 error of ResNet-50, one network, several sizes  [slide with Table 4]"


def test_a_setting_that_is_not_stated_is_printed_with_the_value_of_a_run(capsys):
    assert main(["settings", "mobilenet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    where = lines.index("  learning rate   not stated")
    assert lines[where + 1] == "                  run: 0.045, as for Inception-v3"
    where = lines.index("  clipping        not stated")
    assert lines[where + 1] == "                  run: no clipping"


def test_all_papers_are_printed_by_default_and_some_by_name(capsys):
    assert main(["settings"]) == 0
    assert re.findall(r"^([a-z0-9-]+): ", capsys.readouterr().out, re.M) == [*TRAINING]
    assert main(["settings", "vgg", "alexnet"]) == 0
    assert re.findall(r"^([a-z0-9-]+): ", capsys.readouterr().out, re.M) == ["vgg", "alexnet"]


def test_settings_prints_markdown(capsys):
    assert main(["settings", "inception-v3", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:4] == ["|  | printed | source | run |", "| --- | --- | --- | --- |"]
    assert "| learning rate | 0.045 | slide |  |" in lines
    assert "| dropout | not stated |  | 0.2, as in the released network |" in lines
    assert {line.count("|") for line in lines[2:]} == {5}


def test_the_error_about_unknown_settings_suggests_a_name(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["settings", "resnets"])
    assert "argument NAME: must be one of alexnet, vgg, " in (printed := capsys.readouterr().err)
    assert "got 'resnets'; did you mean resnet" in printed
