"""Tests of ``refconv draw``: files, errors and overwriting."""

import pytest

from refconv.cli import main

pytest.importorskip("matplotlib")


def test_draw_writes_png_by_default_and_svg_on_request(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["draw", "lenet", "--small"]) == 0
    assert (tmp_path / "lenet-small.png").read_bytes()[1:4] == b"PNG"
    assert main(["draw", "resnet18", "--block", "conv2_x.block1", "--input", "64x96", "--out", "sub/block.svg"]) == 0
    picture = (tmp_path / "sub" / "block.svg").read_text(encoding="utf-8")
    assert ">16×24×64 → 16×24×64<" in picture
    assert capsys.readouterr().out.splitlines()[0] == "wrote lenet-small.png"


def test_draw_accepts_saved_models(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["draw", "lenet:mnist"]) == 0
    assert capsys.readouterr().out == "wrote lenet-mnist.png\n"
    assert (tmp_path / "lenet-mnist.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet", "--out", "lenet.pdf"], "--out must end in .png or .svg, got lenet.pdf"),
        (["lenet", "--block", "conv9"], "block must be the dotted name of a layer of the network"),
    ],
)
def test_draw_leaves_no_file_after_an_error(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["draw", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["--out", "lenet.png"]])
def test_an_existing_file_is_replaced_only_with_overwrite(tmp_path, monkeypatch, capsys, options):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet.png").write_bytes(b"my picture")
    assert main(["draw", "lenet", *options]) == 1
    message = "refconv: lenet.png already exists; choose another file with --out, or replace it with --overwrite\n"
    assert capsys.readouterr().err == message
    assert (tmp_path / "lenet.png").read_bytes() == b"my picture"
    assert main(["draw", "lenet", *options, "--overwrite"]) == 0
    assert (tmp_path / "lenet.png").read_bytes()[1:4] == b"PNG"
