"""Tests of the separation of ink from paper: filters, shadows, noise and tables."""

import numpy as np
import pytest

from refconv.data.ink import ink_of, widened

pillow = pytest.importorskip("PIL.Image")

RING = (slice(40, 100), slice(60, 130))  # rows and columns of the stroke in `written`


def written(paper, darkness=0.7, pen=9):
    """Return paper with a rectangular ring of ink, and the mask of the ink.

    The ink absorbs the fraction ``darkness`` of the light.
    """
    mask = np.zeros(paper.shape, bool)
    mask[RING] = True
    mask[RING[0].start + pen : RING[0].stop - pen, RING[1].start + pen : RING[1].stop - pen] = False
    return np.where(mask, paper * (1 - darkness), paper), mask


def read(grey):
    return ink_of(pillow.fromarray(np.clip(grey, 0, 255).astype(np.uint8)))


def gradient():
    """Return paper (150, 190) of brightness 220 in one corner and 120 in the opposite one."""
    return 220 - 50 * (np.linspace(0, 1, 150)[:, None] + np.linspace(0, 1, 190))


def half_shadow(angle):
    """Return paper of brightness 220 with a straight shadow of 120 through the ink."""
    y, x = np.mgrid[-75:75, -95:95]
    return np.where(np.cos(angle) * x + np.sin(angle) * y > 8, 120.0, 220.0)


PAPERS = {
    "gradient": gradient(),
    **{f"shadow at {degrees}°": half_shadow(np.radians(degrees)) for degrees in (0, 40, 160, 290)},
}


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 20])
def test_widened_is_the_maximum_in_a_window(radius):
    image = np.random.default_rng(radius).integers(0, 99, (11, 17))
    padded = np.pad(image, radius)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1))
    np.testing.assert_array_equal(widened(image, radius), windows.max((2, 3)))


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
@pytest.mark.parametrize("is_dark_on_light", [True, False])
def test_ink_is_found_and_shadows_are_not(paper, is_dark_on_light):
    grey, mask = written(paper) if is_dark_on_light else written(paper / 4, darkness=-1.5)
    ink = read(grey)
    assert len(ink.parts.boxes) == 1
    assert ink.parts.boxes[0] == pytest.approx([40, 60, 100, 130], abs=2)
    assert (ink.amount[mask] > 0.5).mean() > 0.9
    assert ink.amount[~mask].mean() < 0.01


def test_thick_strokes_are_not_hollow():
    grey, mask = written(gradient(), pen=25)
    assert (read(grey).amount[mask] > 0.9).mean() > 0.9


def test_ruled_lines_and_noise_are_not_ink():
    rng, paper = np.random.default_rng(3), gradient()
    paper[::20] *= 0.8
    grey, mask = written(paper)
    ink = read(grey + 10 * rng.standard_normal(grey.shape))
    assert ink.parts.boxes.tolist() == [pytest.approx([40, 60, 100, 130], abs=2)]
    assert ink.amount[~widened(mask, 3)].max() == 0


@pytest.mark.parametrize("width", [3, 10, 30])
def test_a_table_at_the_edges_is_not_ink(width):
    grey, _ = written(np.full((150, 190), 220.0))
    for strip in (grey[:width], grey[:, -width:], grey[-width:], grey[:, :width]):
        strip[:] = 50
    assert read(grey).parts.boxes.tolist() == [pytest.approx([40, 60, 100, 130], abs=2)]


def test_ink_that_reaches_the_edges_is_kept_if_it_is_the_only_ink():
    cut = np.full((60, 70), 220.0)
    cut[:9] = cut[:, 30:39] = 60  # like a T
    ink = read(cut)
    assert ink.parts.boxes.tolist() == [[0, 0, 60, 70]]
    assert (ink.amount[12:, :27] == 0).all()
    assert (ink.amount[:9] > 0.9).all()


def test_specks_are_not_ink():
    grey, _ = written(np.full((150, 190), 220.0))
    grey[130:133, 20:23] = 60
    assert len(read(grey).parts.boxes) == 1


@pytest.mark.parametrize("paper", [np.full((150, 190), 200.0), gradient(), np.zeros((28, 28)), np.full((1, 1), 255.0)])
def test_a_blank_picture_has_no_ink(paper):
    ink = read(paper)
    assert (len(ink.parts.boxes), ink.amount.any(), ink.amount.shape) == (0, False, paper.shape)


def test_a_large_photograph_is_reduced():
    grey, _ = written(np.full((150, 190), 220.0))
    ink = read(grey.repeat(10, 0).repeat(10, 1))
    assert max(ink.amount.shape) == 1600
    assert ink.scale == pytest.approx(190 * 10 / 1600)
    assert ink.parts.boxes[0] * ink.scale == pytest.approx(10 * np.array([40, 60, 100, 130]), abs=8)
