"""Tests of the experiment on rotated digits: sizes, augmentation and invariance."""

import numpy as np
import pytest

from evidence import needs_kernels

pytest.importorskip("experiments", reason="an installed package has no experiments")

from experiments import Settings, p4
from experiments.experiment import DATA
from refconv.data import draw_digits, lenet_input


def test_both_networks_have_about_the_same_number_of_parameters():
    networks = p4.equivariant, p4.plain
    sizes = [network().count_parameters((32, 32, 1), trainable_only=True) for network in networks]
    assert sizes == [13461, 13953]
    for network, size in zip(networks, sizes, strict=True):
        assert f"{size:,} trainable parameters" in network.__doc__


def test_rotated_digits_have_the_scores_of_upright_ones():
    """D9: an untrained p4 network is invariant; a plain one of the same size is not."""
    images, _ = draw_digits(5, 0)
    upright, rotated = (lenet_input(np.rot90(images, times, axes=(1, 2))) for times in (0, 1))
    differences = []
    for network in (p4.equivariant(), p4.plain()):
        network.build((32, 32, 1), rng=0)
        differences.append(np.abs(network(rotated) - network(upright)).max() / np.abs(network(upright)).max())
    assert differences[0] < 1e-4  # a few hundred float32 products in each of four layers, relative to the largest score
    assert differences[1] > 1e-2


def test_quarter_turns_rotate_each_image_by_itself():
    images = np.arange(40 * 6, dtype=np.uint8).reshape(40, 2, 3)[:, :, :2]
    turned = p4.quarter_turns(images, np.random.default_rng(0))
    times = [next(t for t in range(4) if (np.rot90(image, t) == one).all()) for image, one in zip(images, turned, strict=True)]
    assert set(times) == {0, 1, 2, 3}
    assert (p4.quarter_turns(images, np.random.default_rng(0)) == turned).all()


@needs_kernels
# The quick variant takes few steps, so the averages do lag behind the weights.
@pytest.mark.filterwarnings("ignore:model outputs differ between inference and training")
@pytest.mark.parametrize("variant", ["plain", "plain, rotated at random in training", "p4", "p4, a tenth of the digits"])
def test_each_variant_measures_upright_and_rotated_digits(variant):
    upright, rotated = p4.EXPERIMENT.variants[variant](Settings(quick=True, data=DATA[0])).values()
    assert 0 <= min(upright, rotated) <= max(upright, rotated) <= 100
    if variant.startswith("p4"):
        assert rotated == pytest.approx(upright)
