"""Mini-batches: everything once, in a new order each time, prepared as the paper says."""

import numpy as np
import pytest

from refconv.data import Batches, lenet_input

IMAGES = np.arange(7 * 4, dtype=np.uint8).reshape(7, 2, 2)
LABELS = np.arange(7) % 3


def plain(images):
    return images


def test_each_pass_shows_every_image_once_with_its_label_in_a_new_order():
    batches = Batches(IMAGES, LABELS, 3, prepare=plain, rng=1)
    passes = []
    for _ in range(2):
        shown = list(batches)
        assert [len(x) for x, _ in shown] == [3, 3, 1]
        assert len(batches) == 3
        firsts = np.concatenate([x[:, 0, 0] for x, _ in shown])
        assert sorted(firsts) == IMAGES[:, 0, 0].tolist()
        assert (np.concatenate([y for _, y in shown]) == LABELS[firsts // 4]).all()
        passes.append(firsts.tolist())
    assert passes[0] != passes[1]


def test_the_order_is_seeded_and_without_a_seed_it_is_the_stored_one():
    def order(rng):
        return [int(x[0, 0, 0]) for x, _ in Batches(IMAGES, LABELS, 1, prepare=plain, rng=rng)]

    assert order(5) == order(5) == order(np.random.default_rng(5))
    assert order(5) != order(6)
    assert order(None) == IMAGES[:, 0, 0].tolist()


def test_lenet_input_sets_digits_into_the_papers_sheet():
    images = np.zeros((2, 28, 26), np.uint8)
    images[1, 0, 25] = 255
    images[1, 27, 0] = 51
    x = lenet_input(images, np.float64)
    assert (x.shape, x.dtype) == ((2, 32, 32, 1), np.float64)
    assert x[1, 2, 28, 0] == pytest.approx(1.175)
    assert x[1, 29, 3, 0] == pytest.approx(-0.1 + 1.275 / 5)
    assert np.count_nonzero(np.abs(x + 0.1) > 1e-6) == 2
    assert lenet_input(images).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Batches(IMAGES, LABELS[:5], 2), "images and labels must be as many, and some, but are 7 and 5"),
        (lambda: Batches(IMAGES[:0], LABELS[:0], 2), "but are 0 and 0"),
        (lambda: Batches(IMAGES, LABELS, 0), "batch_size must be at least 1"),
        (lambda: lenet_input(IMAGES.astype(float)), "images must be uint8 .* but are float64 of shape"),
        (lambda: lenet_input(np.zeros((1, 33, 3), np.uint8)), r"of shape \(1, 33, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
