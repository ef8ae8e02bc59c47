"""Tests of ``refconv list``: each architecture, data set and file of weights has a line."""

import re

import pytest

from refconv import models
from refconv.data.sources import SOURCES

pytestmark = pytest.mark.usefixtures("no_user_folders")


def test_every_architecture_has_a_line_with_its_sizes_in_one_table(printed, monkeypatch):
    monkeypatch.setattr(models, "names", lambda: ["lenet", "mobilenet", "unet"])  # counting all of them takes a second
    head, rule, *lines = printed("list", "architectures").splitlines()
    assert head.split() == ["architecture", "input", "parameters", "output"]
    assert set(rule) == {"─", " "}
    assert {
        line.index(number) + len(number) for line, number in zip(lines, ("61,706", "4,231,976", "31,030,658"), strict=True)
    } == {head.index("parameters") + len("parameters")}
    assert [re.split(" {2,}", line) for line in lines] == [
        ["lenet", "32×32×1", "61,706", "10"],
        ["mobilenet", "224×224×3", "4,231,976", "1000"],
        ["unet", "572×572×1", "31,030,658", "388×388×2"],
    ]


@pytest.mark.slow
def test_all_tables_are_printed_by_default(printed):
    architectures, data, weights = printed("list").split("\n\n")
    assert [line.split()[0] for line in architectures.splitlines()[2:]] == models.names()
    assert [line.split()[0] for line in data.splitlines()[2:]] == [*SOURCES]
    assert f"{weights.rstrip()}\n" == printed("list", "weights")


def test_every_data_set_has_a_line_that_says_whether_it_is_on_this_computer(printed, tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").touch()
    (tmp_path / "emnist").mkdir()
    (tmp_path / "emnist" / "gzip.zip").touch()
    head, _, *lines = printed("list", "data", "--root", str(tmp_path)).splitlines()
    assert head.split() == ["data", "images", "training", "test", "classes", "download", "on", "this", "computer"]
    table = {name: cells for name, *cells in (re.split(" {2,}", line) for line in lines)}
    assert [*table] == [*SOURCES]
    assert table["digits"] == ["28×28", "any number", "any number", "10", "none", "drawn"]
    assert table["kmnist"] == ["28×28", "60,000", "10,000", "10", "21.2 MB", "no"]
    assert table["emnist-letters"] == ["28×28", "124,800", "20,800", "26", "561.8 MB", "yes"]
    assert table["cifar10"] == ["32×32×3", "50,000", "10,000", "10", "170.1 MB", "yes"]
    assert table["cifar100"] == ["32×32×3", "50,000", "10,000", "100", "168.5 MB", "no"]


def test_trained_weights_have_a_line_with_their_data_and_their_accuracy(printed):
    head, _, *lines = printed("list", "weights").splitlines()
    assert re.split(" {2,}", head) == ["weights", "data", "test accuracy", "size"]
    assert re.fullmatch(r"lenet:mnist +mnist +99\.\d\d %  0\.2 MB", lines[0])
    known = [f"{name}:{weights}" for name in models.names() for weights in models.weights_names(name)]
    assert [line.split()[0] for line in lines] == known


def test_the_error_about_an_unknown_part_names_all(printed, capsys):
    with pytest.raises(SystemExit, match="2"):
        printed("list", "networks")
    assert "argument PART: must be one of architectures, data, weights, got 'networks'" in capsys.readouterr().err
