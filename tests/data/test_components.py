"""Tests of connected components against a search from pixel to pixel."""

import numpy as np
import pytest

from refconv.data.components import Components


def searched(mask):
    """Label the components of a mask in row-major order of their first pixels."""
    image, count = np.zeros(mask.shape, int), 0
    for start in zip(*np.nonzero(mask), strict=True):
        if image[start]:
            continue
        count += 1
        image[start] = count
        stack = [start]
        while stack:
            i, j = stack.pop()
            for y in range(max(i - 1, 0), min(i + 2, mask.shape[0])):
                for x in range(max(j - 1, 0), min(j + 2, mask.shape[1])):
                    if mask[y, x] and not image[y, x]:
                        image[y, x] = count
                        stack.append((y, x))
    return image


@pytest.mark.parametrize(
    ("shape", "density"), [((1, 9), 0.5), ((9, 1), 0.5), ((13, 17), 0.2), ((23, 19), 0.4), ((7, 31), 0.6)]
)
def test_labels_boxes_and_areas_equal_a_search(shape, density):
    mask = np.random.default_rng(sum(shape)).random(shape) < density
    expected, parts = searched(mask), Components(mask)
    assert (parts.image == expected).all()
    for k, (top, left, bottom, right) in enumerate(parts.boxes):
        rows, columns = np.nonzero(expected == k + 1)
        assert (top, left, bottom, right) == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert parts.areas.tolist() == np.bincount(expected[mask])[1:].tolist()


def test_a_spiral_is_one_component():
    y, x = np.mgrid[-20:21, -20:21]
    turns = np.hypot(x, y) / 6 - np.arctan2(y, x) / (2 * np.pi)
    mask = turns % 1 < 0.5
    assert searched(mask).max() == len(Components(mask).areas)


def test_an_empty_mask_has_no_components():
    parts = Components(np.zeros((4, 6), bool))
    assert (parts.boxes.shape, parts.areas.shape, parts.image.any()) == ((0, 4), (0,), False)


def test_the_mask_of_chosen_components_contains_only_their_pixels():
    mask = np.array([[1, 0, 1, 0, 0], [1, 0, 0, 0, 1]], bool)
    parts = Components(mask)
    assert parts.mask(np.array([True, False, True])).tolist() == [
        [True, False, False, False, False],
        [True, False, False, False, True],
    ]
