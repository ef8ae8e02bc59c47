"""Tests of ``refconv tables``: text, Markdown, and the exit status if a figure differs."""

import re

import pytest

from refconv.cli import main
from refconv.models.published import unet
from refconv.models.published.claim import Claim, Table


def test_each_figure_has_a_verdict(capsys):
    assert main(["tables", "googlenet"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"inception \(3a\), size +28×28×256 +28×28×256 +equal$", printed, re.M)
    assert re.search(
        r"inception \(4c\), params +463K +509,440 +differs: the count follows from the other columns", printed, re.M
    )
    assert re.search(r"^60 figures: 49 equal, 11 differ for the given reason, 0 differ without a reason$", printed, re.M)


def test_tables_prints_markdown(capsys):
    assert main(["tables", "unet", "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:4] == ["|  | printed | counted | verdict |", "| --- | ---: | ---: | --- |"]
    assert "| level 1, cropped | 392×392×64 | 392×392×64 | equal |" in lines


def test_a_difference_without_a_reason_has_exit_status_1(capsys, monkeypatch):
    monkeypatch.setattr(unet, "tables", lambda: [Table("wrong", [Claim("filters", "7", 8), Claim("layers", "23", 23)])])
    assert main(["tables", "unet"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"filters +7 +8 +DIFFERS$", printed, re.M)
    assert "2 figures: 1 equal, 0 differ for the given reason, 1 differ without a reason" in printed


def test_the_error_about_an_unknown_family_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["tables", "vgg16"])
    line = r"refconv tables: argument FAMILY: must be one of lenet, .*, got 'vgg16'; did you mean vgg\?\n"
    assert re.match(line, capsys.readouterr().err)
