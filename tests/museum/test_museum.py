"""The exhibits run, learn something even when they are short, and say what they measured."""

import re
import subprocess
import sys

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models, nn
from refconv.museum import EXHIBITS, classifiers, show
from refconv.museum.__main__ import main
from refconv.museum.classifiers import CLASSIFIERS, digits, shortened
from refconv.museum.organised import retina
from refconv.museum.prior import fit_image, photograph, psnr
from refconv.museum.segments import draw_cells, intersection_over_union, segment

pytestmark = needs_kernels


def share(row):
    """The first percentage of a result."""
    return float(re.search(r"([\d.]+) %", row.result)[1])


def test_every_classifier_has_a_small_variant_that_takes_digits():
    for name in CLASSIFIERS:
        options = {"heads": False} if name == "googlenet" else {}
        assert models.build(f"{name}-small", **options).output_shape((32, 32, 1)) == (10,)
    assert set(CLASSIFIERS) < set(EXHIBITS)


def test_a_classifier_learns():
    (row,) = show("lenet", images=1500, epochs=3)
    assert row[:3] == ("lenet-small", "1,500 drawn digits", "3 epochs")
    assert share(row) > 35


def test_a_network_with_batch_normalisation_is_measured_with_averages_that_have_followed():
    model = shortened(models.build("resnet20-small"))
    momenta = {layer.momentum for _, layer, _ in model.distinct_layers((32, 32, 1)) if isinstance(layer, nn.BatchNorm)}
    assert momenta == {0.9}


@pytest.mark.slow
def test_the_neocognitron_organises_itself():
    (row,) = show("neocognitron", images=600)
    assert share(row) > 25  # and 10 by chance


@pytest.mark.slow
def test_lesions_name_a_number_for_each_block(monkeypatch):
    monkeypatch.setattr(classifiers, "TEST_IMAGES", 100)
    residual, plain = show("lesion", images=160, epochs=1)
    assert residual.model.startswith("resnet20")
    assert plain.model.startswith("plain20")
    for row in (residual, plain):
        assert len(re.search(r"to the last: ([\d, ]+) %", row.result)[1].split(", ")) == 7


def test_cells_are_brighter_inside_and_the_same_seed_draws_the_same():
    images, inside = draw_cells(5, seed=4, size=48)
    assert images.shape == (5, 48, 48, 1)
    assert images.dtype == np.float32
    assert set(np.unique(inside)) == {0, 1}
    assert 0.03 < inside.mean() < 0.5
    assert images[inside == 1].mean() > images[inside == 0].mean() + 0.3
    np.testing.assert_array_equal(draw_cells(5, seed=4, size=48)[0], images)
    assert (draw_cells(5, seed=5, size=48)[0] != images).any()


@pytest.mark.slow
def test_the_u_net_learns_where_cells_are():
    row = segment(images=80, epochs=20, size=32)
    overlap, naive = map(float, re.findall(r"\d\.\d+", row.result))
    assert overlap > naive + 0.05


def test_overlap_by_hand():
    found, truth = np.array([[1, 1, 0], [0, 1, 0]]), np.array([[1, 0, 0], [1, 1, 0]])
    assert intersection_over_union(found, truth) == 2 / 4


@pytest.mark.slow
def test_an_image_prior_comes_closer_to_the_truth_than_to_the_noise():
    v, u = np.mgrid[:32, :48] / 32
    truth = np.stack([v / 2 + 0.2, 0.3 + 0.3 * np.sin(4 * u), 0.8 - u / 3], -1).astype(np.float32)
    noisy = truth + 0.15 * np.random.default_rng(0).standard_normal(truth.shape, np.float32)
    result = fit_image(noisy, steps=120, depth=3, width=0.125, smooth=0.9)
    assert result.shape == truth.shape
    assert psnr(result, truth) > psnr(noisy, truth) + 1
    assert psnr(result, truth) > psnr(result, noisy)


def test_what_is_unknown_does_not_matter_to_an_image_prior():
    rng = np.random.default_rng(0)
    image = np.full((16, 24, 1), 0.6, np.float32)
    known = (rng.random((16, 24, 1)) < 0.5).astype(np.float32)
    one, other = (fit_image(np.where(known, image, hole), known, steps=3, depth=2, width=0.125) for hole in (0, np.nan))
    np.testing.assert_array_equal(one, other)


def test_who_watches_an_image_prior_is_told_of_each_step_and_changes_nothing():
    image, seen = np.random.default_rng(0).random((16, 24, 1), np.float32), []
    options = dict(steps=3, depth=2, width=0.125, smooth=0.0)  # nothing of the old images: the last one is the result
    watched = fit_image(image, on_step=lambda step, drawn: seen.append((step, drawn)), **options)
    assert [step for step, _ in seen] == [0, 1, 2]
    np.testing.assert_array_equal(watched, seen[-1][1])
    np.testing.assert_array_equal(watched, fit_image(image, **options))


def test_the_photograph_and_its_psnr():
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    picture = photograph(32)
    assert picture.shape == (32, 32, 3)
    assert 0.1 < picture.mean() < 0.9
    assert picture.std() > 0.1
    assert psnr(picture + 0.1, picture) == pytest.approx(20, abs=1e-3)


def test_denoising_and_inpainting_say_from_where_to_where():
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    from refconv.museum.prior import denoise, inpaint

    for row in (denoise(steps=2), inpaint(steps=2)):
        assert row.passes == "2 steps"
        assert re.search(r"PSNR \d+\.\d\d .*→ \d+\.\d\d dB$", row.result)


def test_a_digit_on_the_retina():
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 0, 0:2] = 255, 51
    x = retina(images)
    assert x.shape == (1, 16, 16, 1)
    assert x[0, 1, 1, 0] == pytest.approx((1 + 0.2) / 4)
    assert x.sum() == pytest.approx(1.2 / 4)


def test_training_and_test_digits_differ():
    (images, _), (test, _) = digits("digits", 20, seed=0)
    assert len(images) == 20
    assert (images != test[:20]).any()


def test_the_table_and_wrong_calls(capsys):
    assert main(["lenet", "--images", "64", "--epochs", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == "| model | data | passes | seconds | result |"
    assert printed.out.splitlines()[2].startswith("| lenet-small | 64 drawn digits | 1 epoch | 0 | ")
    for wrong, message in ((["lenet6"], "NAME must be one of"), (["lenet", "--epochs", "0"], "must be at least 1")):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "lenet6"}, ValueError, "name must be one of 'neocognitron', .* but is 'lenet6'"),
        ({"name": "lenet", "source": "cifar"}, ValueError, "source must be one of 'digits', 'mnist', but is 'cifar'"),
        ({"name": "lenet", "images": 0}, ValueError, "images must be at least 1, but is 0"),
        ({"name": "lenet", "epochs": 1.5}, TypeError, "epochs must be a whole number, but is 1.5"),
        ({"name": "lenet", "seed": -1}, ValueError, "seed must be at least 0, but is -1"),
    ],
)
def test_what_cannot_be_shown_is_refused_at_once(arguments, error, message):
    with pytest.raises(error, match=message):
        show(**arguments)


def test_an_exhibit_that_cannot_run_is_one_line(capsys, monkeypatch):
    def missing(split):
        raise FileNotFoundError(f"no {split} here")

    monkeypatch.setattr("refconv.data.load_mnist", missing)
    assert main(["lenet", "--data", "mnist"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "python -m refconv.museum: no train here"


@pytest.mark.slow
def test_a_reader_who_has_gone_is_no_error_message():
    command = [sys.executable, "-c", "import sys; from refconv.museum.__main__ import main; sys.exit(main())"]
    command += ["lenet", "--images", "16", "--epochs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        process.stdout.close()
        said = process.stderr.read()
    assert "Error" not in said
    assert process.returncode == 1
