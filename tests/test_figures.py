"""Tests that each picture is up to date with its script, and that the README shows it."""

import importlib
import sys
from pathlib import Path

import pytest

import refconv
from evidence import needs_kernels

ROOT = Path(refconv.__file__).parents[1]
FIGURES = ROOT / "figures"
SCRIPTS = sorted(script.stem for script in FIGURES.glob("f[0-9]*.py"))

pytestmark = pytest.mark.skipif(not FIGURES.is_dir(), reason="an installed package has no pictures")

Rectangle = pytest.importorskip("matplotlib.patches").Rectangle
pytest.importorskip("PIL")


@pytest.fixture(scope="module", autouse=True)
def scripts_find_their_neighbours():
    """Let the scripts import canvas.py from their folder, as if they were run by their path."""
    sys.path[:0] = [str(ROOT), str(FIGURES)]
    yield
    del sys.path[:2]


@pytest.fixture
def canvas():
    return importlib.import_module("canvas")


def picture_of(script):
    return next(path for ending in (".png", ".gif") if (path := FIGURES / f"{script}{ending}").is_file())


def test_each_picture_has_a_script_of_its_name_and_the_readme_shows_it():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for picture in (*FIGURES.glob("*.png"), *FIGURES.glob("*.gif")):
        assert picture.with_suffix(".py").is_file(), picture.name
        assert f"figures/{picture.name}" in readme


def test_the_gallery_is_up_to_date_with_the_scripts():
    gallery = importlib.import_module("figures.__main__").gallery()
    assert (FIGURES / "README.md").read_text(encoding="utf-8") == gallery, "run: python -m figures"


def test_the_pictures_take_less_than_15_megabytes():
    assert sum(picture.stat().st_size for picture in FIGURES.iterdir()) < 15e6


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_picture_is_up_to_date(script, canvas):
    module = importlib.import_module(script)
    drawn = canvas.redrawn(FIGURES / f"{script}.py", module.draw, getattr(module, "measure", None))
    assert canvas.contents(drawn) == canvas.digest_of(picture_of(script)), f"run: python figures/{script}.py"


def test_a_changed_number_word_or_colour_changes_the_digest(canvas):
    def picture(number=0.5, word="loss", colour=canvas.BLUE, cell=3.0, place=1.0, corner=2.0):
        figure = canvas.canvas("a title")
        axes = figure.add_subplot()
        axes.plot([1.0, 2.0], [0.25, number], color=colour)
        axes.set_ylabel(word)
        axes.imshow([[1.0, cell]])
        axes.scatter([place], [2.0])
        axes.add_patch(Rectangle((corner, 1), 1, 1))
        return canvas.contents(figure)

    assert picture() == picture()
    others = [picture(number=0.51), picture(word="gain"), picture(colour=canvas.GREEN), picture(cell=4.0), picture(place=1.1)]
    assert len({picture(), picture(corner=2.5), *others}) == 7


def test_rows_are_read_back_from_the_file_that_an_experiment_writes(tmp_path, canvas):
    canvas.write_atomically(
        tmp_path / "some.csv",
        canvas._measured(FIGURES / "some.py", lambda: [{"net": "plain", "depth": 20, "error": 0.125}]),
    )
    remark, rows = canvas.read(tmp_path / "some.csv")
    assert remark.startswith("python figures/some.py --measure: 0 s on ")
    assert rows == [{"net": "plain", "depth": 20, "error": 0.125}]
    assert [path.name for path in tmp_path.iterdir()] == ["some.csv"]


@pytest.mark.slow
@needs_kernels
def test_the_training_run_draws_its_picture(tmp_path, capsys):
    pytest.importorskip("tqdm")
    script = importlib.import_module("lenet_training")
    script.draw(tmp_path / "drawn.png", "--images", "64", "--test-images", "40", "--epochs", "1")
    assert "64 training and 40 test images" in capsys.readouterr().out
    assert (tmp_path / "drawn.png").read_bytes()[1:4] == b"PNG"
    with pytest.raises(SystemExit, match="2"):  # a wrong call
        script.draw(tmp_path / "none.png", "--images", "64", "--test-images", "40", "--lr", "-1")
