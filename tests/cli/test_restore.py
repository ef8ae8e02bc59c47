"""Tests of ``refconv restore``: sizes, masks, files and errors."""

import signal

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import training
from refconv.cli import main
from refconv.training import Diverged, History, image_prior
from terminal import Terminal

pillow = pytest.importorskip("PIL.Image")
pytest.importorskip("tqdm")

HEIGHT, WIDTH = 40, 52
HOLE = (slice(10, 29), slice(17, 40))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder with a photograph, a mask of it, and files that are not accepted."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[HOLE] = 0
    pillow.fromarray(pixels).save("photo.png")
    pillow.fromarray(mask).save("mask.png")
    for name, levels in {"white": 0 * mask + 255, "black": 0 * mask, "turned": mask.T}.items():
        pillow.fromarray(levels).save(f"{name}.png")
    (tmp_path / "page.png").write_text("<html>", encoding="utf-8")
    return tmp_path


@pytest.fixture
def fitted(monkeypatch):
    """Replace the network by a function that returns grey; return its recorded arguments."""
    recorded = {}

    def fit_image(damaged, known, **options):
        recorded.update(options, damaged=damaged, known=known)
        return np.full_like(damaged, 0.4)

    monkeypatch.setattr(training, "fit_image", fit_image)
    return recorded


def pixels_of(path):
    with pillow.open(path) as picture:
        return np.asarray(picture)


@needs_kernels
def test_quiet_hides_the_bar_and_the_lines(monkeypatch):
    terminal = Terminal.installed(monkeypatch)
    for arguments, expected in ((), True), (("--quiet", "--overwrite"), False):
        assert main(["restore", "photo.png", "--steps", "2", *arguments]) == 0
        assert ("restoring:" in terminal.getvalue()) == expected
        assert ("wrote photo-restored.png" in terminal.getvalue()) == expected
        terminal.truncate(0)


@needs_kernels
def test_the_result_has_the_size_of_the_photograph_and_depends_on_the_seed(printed):
    out = printed("restore", "photo.png", "--steps", "2")
    assert out.startswith("photo.png: 40×52 pixels, remove noise, ")
    assert out.endswith("\nwrote photo-restored.png\n")
    for seed in "0", "7":
        printed("restore", "photo.png", "--steps", "2", "--seed", seed, "--out", f"{seed}.png")
    first, same, other = map(pixels_of, ("photo-restored.png", "0.png", "7.png"))
    assert first.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


@needs_kernels
def test_a_large_hole_is_filled_and_known_pixels_keep_their_colours(printed):
    out = printed("restore", "photo.png", "--mask", "mask.png", "--large-hole", "--steps", "1", "--out", "new/filled.png")
    assert "fill in 21.0 % of the pixels" in out
    before, after = pixels_of("photo.png"), pixels_of("new/filled.png")
    known = pixels_of("mask.png") == 255
    np.testing.assert_array_equal(after[known], before[known])
    assert (after[~known] != before[~known]).any(-1).mean() > 0.9


def test_the_network_receives_a_size_that_it_accepts_with_an_unknown_border(fitted, printed):
    printed("restore", "photo.png", "--mask", "mask.png", "--steps", "9", "--seed", "4")
    assert fitted["damaged"].shape == (48, 64, 3)
    assert fitted["known"].shape == (48, 64, 1)
    assert (fitted["steps"], fitted["seed"], fitted["jitter"]) == (9, 4, 0.01)
    assert not fitted["known"][HEIGHT:].any()
    assert not fitted["known"][:, WIDTH:].any()
    np.testing.assert_array_equal(fitted["known"][:HEIGHT, :WIDTH, 0], pixels_of("mask.png") // 255)
    assert {"z", "skip"}.isdisjoint(fitted)


def test_a_photograph_smaller_than_the_network_is_enlarged_by_a_border(fitted, printed):
    printed("restore", "photo.png", "--size", "13")
    assert fitted["damaged"].shape == (32, 32, 3)
    assert fitted["known"][:10, :13].all()
    assert fitted["jitter"] == pytest.approx(1 / 30)
    assert pixels_of("photo-restored.png").shape == (10, 13, 3)


def test_large_hole_selects_the_meshgrid_without_skip_connections(fitted, printed):
    printed("restore", "photo.png", "--mask", "mask.png", "--large-hole")
    assert (fitted["z"], fitted["skip"]) == ("meshgrid", 0)


def test_scaling_does_not_mix_the_colour_of_the_hole_into_known_pixels(fitted, printed):
    pixels = np.full((HEIGHT, WIDTH, 3), (0, 51, 204), np.uint8)
    pixels[HOLE] = 255, 0, 0
    pillow.fromarray(pixels).save("blue.png")
    printed("restore", "blue.png", "--mask", "mask.png", "--size", "13")
    result = pixels_of("blue-restored.png")
    inside = pixels_of("mask.png").reshape(10, 4, 13, 4).max((1, 3)) == 0  # scaled pixels completely inside the hole
    np.testing.assert_array_equal(result[~inside], np.full_like(result[~inside], (0, 51, 204)))
    np.testing.assert_array_equal(result[inside], np.full_like(result[inside], 102))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png"], "none.png: no such file or directory"),
        (["page.png"], "page.png is not a readable picture: Pillow does not recognise the file format"),
        (["photo.png", "--mask", "page.png"], "page.png is not a readable picture: Pillow does not recognise the file format"),
        (
            ["photo.png", "--mask", "turned.png"],
            "--mask must have the size of the photograph, 40×52, got 52×40 in turned.png",
        ),
        (["photo.png", "--mask", "white.png"], "--mask must be black where pixels are missing, got no black in white.png"),
        (["photo.png", "--mask", "black.png"], "--mask must be white where pixels are known, got no white in black.png"),
        (["photo.png", "--large-hole"], "--mask must be given with --large-hole, got none"),
        (["photo.png", "--out", "photo.jpg"], "--out must end in .png, got photo.jpg"),
        (["photo.png", "--out", "photo.png/x.png"], "--out must be a file in a writable folder, got photo.png/x.png"),
        (["photo.png", "--mask", ""], "--mask must be a file, got an empty name"),
        (["photo.png", "--out", "photo.png", "--overwrite"], "--out must differ from PHOTO, got photo.png for both"),
        (
            ["photo.png", "--mask", "mask.png", "--out", "./mask.png", "--overwrite"],
            "--out must differ from --mask, got mask.png for both",
        ),
        (
            ["photo.png", "--out", "white.png"],
            "white.png already exists; choose another file with --out, or replace it with --overwrite",
        ),
    ],
)
def test_a_wrong_file_is_one_line_and_changes_nothing(folder, fitted, printed, arguments, message):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert printed("restore", *arguments, status=1) == f"refconv: {message}\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not fitted


def test_an_existing_file_is_replaced_with_overwrite(fitted, printed):
    printed("restore", "photo.png", "--out", "white.png", "--overwrite")
    assert pixels_of("white.png").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "refconv: interrupted\n"),
        (
            Diverged("the loss is nan at step 3 of epoch 1; try a smaller lr", History(measured=[])),
            1,
            "refconv: the loss is nan at step 3 of epoch 1; try another --seed\n",
        ),
    ],
)
def test_an_incomplete_run_writes_no_file(folder, monkeypatch, capsys, error, status, message):
    def fit_image(damaged, known, **options):
        raise error

    monkeypatch.setattr(training, "fit_image", fit_image)
    assert main(["restore", "photo.png"]) == status
    assert capsys.readouterr().err == message
    assert not (folder / "photo-restored.png").exists()


@needs_kernels
def test_ctrl_c_saves_the_result_of_the_steps_so_far(monkeypatch, printed):
    steps = []

    def fit_image(*arguments, on_step, **options):
        def interrupt(step, output):
            steps.append(step)
            if step == 2:
                signal.raise_signal(signal.SIGINT)
            on_step(step, output)

        return image_prior.fit_image(*arguments, on_step=interrupt, **options)

    monkeypatch.setattr(training, "fit_image", fit_image)
    out = printed("restore", "photo.png", "--steps", "9")
    assert out.endswith("stopped; saving the result so far\nwrote photo-restored.png\n")
    assert steps == [0, 1, 2]
    stopped = pixels_of("photo-restored.png")
    monkeypatch.setattr(training, "fit_image", image_prior.fit_image)
    printed("restore", "photo.png", "--steps", "3", "--out", "three.png")
    np.testing.assert_array_equal(stopped, pixels_of("three.png"))
