"""Tests of mini-batches: order, preparation, augmentation, resuming and prefetching."""

import threading

import numpy as np
import pytest

import refconv
from refconv.data import Batches, Prefetch, lenet_input, split

IMAGES = np.arange(7 * 4, dtype=np.uint8).reshape(7, 2, 2)
LABELS = np.arange(7) % 3


def test_each_epoch_contains_every_image_once_with_its_label_in_a_new_order():
    batches = Batches(IMAGES, LABELS, 3, rng=1)
    epochs = []
    for _ in range(2):
        epoch = list(batches)
        assert [len(x) for x, _ in epoch] == [3, 3, 1]
        assert len(batches) == 3
        firsts = np.concatenate([x[:, 0, 0] for x, _ in epoch])
        assert sorted(firsts) == IMAGES[:, 0, 0].tolist()
        assert (np.concatenate([y for _, y in epoch]) == LABELS[firsts // 4]).all()
        epochs.append(firsts.tolist())
    assert epochs[0] != epochs[1]


def order(**options):
    return [int(x[0, 0, 0]) for x, _ in Batches(IMAGES, LABELS, 1, **options)]


def test_the_order_depends_on_the_seed_unless_shuffle_is_false():
    assert order(rng=5) == order(rng=5) == order(rng=np.random.default_rng(5))
    assert order(rng=5) != order(rng=6)
    assert order(shuffle=False) == order(shuffle=False, rng=5) == IMAGES[:, 0, 0].tolist()


def test_without_a_seed_orders_and_splits_differ():
    # Eight of the 7! orders are equal with a probability of 10⁻²⁶, and thirty of the 21 splits with 10⁻³⁸.
    assert len({tuple(order()) for _ in range(8)}) > 1
    assert len({tuple(split(IMAGES, LABELS, 0.3)[1][0][:, 0, 0]) for _ in range(30)}) > 1


def test_images_are_yielded_unchanged_unless_prepared():
    for x, _ in Batches(IMAGES, LABELS, 3):
        assert (x.dtype, x.shape[1:]) == (np.uint8, (2, 2))
    assert {x.dtype for x, _ in Batches(IMAGES, LABELS, 3, prepare=lenet_input)} == {np.dtype(np.float32)}


def test_drop_last_drops_only_an_incomplete_batch():
    batches = Batches(IMAGES, LABELS, 3, rng=1, drop_last=True)
    assert len(batches) == 2
    assert [len(x) for x, _ in batches] == [3, 3]
    assert [len(x) for x, _ in Batches(IMAGES[:6], LABELS[:6], 3, drop_last=True)] == [3, 3]
    assert [len(x) for x, _ in Batches(IMAGES, LABELS, 7, drop_last=True)] == [7]


@pytest.mark.parametrize(
    ("targets", "dtype"),
    [
        (np.arange(7 * 4, dtype=np.uint8).reshape(7, 2, 2), np.intp),
        (np.arange(7 * 3, dtype=np.float32).reshape(7, 3), np.float32),
        (np.arange(7.0), np.float64),
        (np.arange(7 * 2).reshape(7, 2) % 3 == 0, bool),
    ],
)
def test_targets_of_any_shape_stay_with_their_images(targets, dtype):
    for x, y in Batches(IMAGES, targets, 3, rng=2):
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, targets[x[:, 0, 0] // 4])
    (_, a), (_, b) = split(IMAGES, targets, 0.3, rng=5)
    assert (len(a), len(b), a.shape[1:]) == (5, 2, targets.shape[1:])


def test_images_on_disk_are_read_batch_by_batch(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    batches = Batches(np.load(tmp_path / "images.npy", mmap_mode="r"), LABELS, 3, shuffle=False)
    assert isinstance(batches.images.base, np.memmap)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), IMAGES)


def test_augmentation_without_a_seed_is_random_if_shuffle_is_false():
    batches = Batches(IMAGES, LABELS, 7, shuffle=False, augment=noisy)
    (first, _), (second, _) = (next(iter(batches)) for _ in range(2))
    assert (first != second).any()


def test_lenet_input_pads_and_scales_digits_as_in_the_paper():
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
        (lambda: Batches(IMAGES, LABELS[:5], 2), "images and labels must be non-empty and of equal length, got 7 and 5"),
        (lambda: Batches(IMAGES[:0], LABELS[:0], 2), "must be non-empty and of equal length, got 0 and 0"),
        (lambda: Batches([], [], 2), "must be non-empty and of equal length, got 0 and 0"),
        (lambda: Batches(IMAGES, LABELS, 0), "batch_size must be at least 1"),
        (lambda: Batches(IMAGES, LABELS, 8, drop_last=True), "batch_size must be at most 7 with drop_last=True, got 8"),
        (lambda: Batches(IMAGES, LABELS, 2, shuffle=1), "shuffle must be True or False, got 1"),
        (lambda: Batches(IMAGES, LABELS, 2, augment=0.5), "augment must be callable or None, got 0.5"),
        (lambda: Batches(IMAGES, LABELS, 2, prepare="lenet"), "prepare must be callable or None, got 'lenet'"),
        (lambda: Batches(IMAGES, list("abcdefg"), 2), "labels must be numbers, got <U1"),
        (lambda: Batches(IMAGES, 3, 2), "must be non-empty and of equal length, got 7 and a single number"),
        (lambda: Batches(IMAGES, [[1], [2, 3]], 2), "must be arrays, got rows of different lengths"),
        (lambda: split(IMAGES, LABELS[:5]), "images and labels must be non-empty and of equal length, got 7 and 5"),
        (lambda: split(IMAGES, LABELS, 1.0), "share must be above 0 and below 1, got 1.0"),
        (lambda: split(IMAGES, LABELS, 0), "share must be above 0 and below 1, got 0"),
        (lambda: split(IMAGES, LABELS, "0.1"), "share must be a number, got '0.1'"),
        (lambda: lenet_input(IMAGES.astype(float)), "images must be uint8 .* got float64 of shape"),
        (lambda: lenet_input(np.zeros((1, 33, 3), np.uint8)), r"of shape \(1, 33, 3\)"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def noisy(images, rng):
    return images + rng.integers(0, 100, images.shape).astype(np.uint8)


def epochs(batches, count):
    return [[(x.tolist(), y.tolist()) for x, y in batches] for _ in range(count)]


def augmented_batches(**options):
    return Batches(IMAGES, LABELS, 3, augment=noisy, rng=4, **options)


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_resumed_epoch_yields_its_remaining_batches_and_later_epochs_are_the_same(done):
    expected = epochs(augmented_batches(), 3)
    batches = augmented_batches()
    next(iter(epochs(batches, 1)))
    state = batches.state()
    again = augmented_batches()
    again.resume(state, done)
    assert epochs(again, 2) == [expected[1][done:], expected[2]]


def test_each_epoch_and_each_batch_is_augmented_differently():
    ones = Batches(np.ones((6, 2, 2), np.uint8), np.zeros(6, int), 3, augment=noisy, rng=4)
    seen = [x.tobytes() for _ in range(2) for x, _ in ones]
    assert len(set(seen)) == 4


def test_prefetch_yields_the_same_batches():
    assert epochs(Prefetch(augmented_batches(), ahead=2), 3) == epochs(augmented_batches(), 3)
    assert len(Prefetch(augmented_batches())) == 3


def test_prefetch_prepares_batches_with_the_settings_of_its_caller():
    seen = []

    def prepare(images):
        seen.append(refconv.get_config().engine)
        return images

    batches = Prefetch(Batches(IMAGES, LABELS, 3, prepare=prepare))
    with refconv.config(engine="reference"):
        list(batches)
    assert seen == ["reference"] * 3
    list(batches)
    assert seen[3:] == [refconv.get_config().engine] * 3


def test_prefetch_ends_its_thread_on_break_and_raises_its_errors():
    before = threading.active_count()
    for _ in Prefetch(augmented_batches(), ahead=1):
        break
    assert threading.active_count() == before

    def fails(images):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(Prefetch(Batches(IMAGES, LABELS, 3, prepare=fails)))
    assert threading.active_count() == before


def test_a_split_contains_every_image_once_with_its_label():
    (a, a_labels), (b, b_labels) = split(IMAGES, LABELS, share=0.3, rng=5)
    assert (len(a), len(b)) == (5, 2)
    for images, labels in ((a, a_labels), (b, b_labels)):
        indices = images[:, 0, 0] // 4
        assert (np.diff(indices) > 0).all()
        assert (labels == LABELS[indices]).all()
    assert sorted([*a[:, 0, 0], *b[:, 0, 0]]) == IMAGES[:, 0, 0].tolist()
    assert split(IMAGES, LABELS, 0.3, rng=5)[1][0].tolist() == b.tolist()
    assert split(IMAGES, LABELS, 0.3, rng=6)[1][0].tolist() != b.tolist()
