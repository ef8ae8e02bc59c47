"""Each picture of the README can be drawn again."""

import importlib.util
from pathlib import Path

import pytest

import refconv
from evidence import needs_kernels

ROOT = Path(refconv.__file__).parents[1]
FIGURES = ROOT / "figures"

pytestmark = pytest.mark.skipif(not FIGURES.is_dir(), reason="an installed package has no pictures")


def test_each_picture_has_a_script_of_its_name_whose_command_the_readme_gives():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for picture in FIGURES.glob("*.png"):
        assert picture.with_suffix(".py").is_file(), picture.name
        assert f"figures/{picture.name}" in readme
        assert f"python figures/{picture.stem}.py" in readme


@needs_kernels
def test_the_training_run_draws_its_picture(tmp_path, capsys):
    for extra in ("matplotlib", "safetensors", "tqdm"):
        pytest.importorskip(extra)
    spec = importlib.util.spec_from_file_location("lenet_training", FIGURES / "lenet_training.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.draw(tmp_path / "drawn.png", "--images", "64", "--test-images", "40", "--epochs", "1")
    assert "64 training and 40 test images" in capsys.readouterr().out
    assert (tmp_path / "drawn.png").read_bytes()[1:4] == b"PNG"
    with pytest.raises(SystemExit, match="1"):
        script.draw(tmp_path / "none.png", "--images", "64", "--test-images", "40", "--lr", "-1")
