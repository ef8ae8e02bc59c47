"""Tests of the familiarity of inputs and of its quantile over batches."""

import numpy as np
import pytest

from refconv.training import familiarity, least_familiarity


def test_a_constant_added_to_all_scores_changes_nothing():
    scores = np.random.default_rng(1).normal(size=(5, 3, 4))
    assert familiarity(scores).shape == (5, 3)
    np.testing.assert_allclose(familiarity(scores + 7.5), familiarity(scores))
    np.testing.assert_allclose(familiarity(np.eye(4)), 0.75)


def test_the_share_of_known_inputs_is_below_the_least_familiarity():
    x = np.random.default_rng(2).normal(size=(1000, 3))
    batches = [(x[first : first + 170], np.zeros(170)) for first in range(0, 1000, 170)]
    limit = least_familiarity(lambda x: 2 * x, batches, share=0.05)
    assert (familiarity(2 * x) < limit).sum() == 50


def test_no_batches_and_a_share_above_one_are_refused():
    with pytest.raises(ValueError, match="batches must yield at least one batch, got none"):
        least_familiarity(lambda x: x, iter([]))
    with pytest.raises(ValueError, match=r"share must be from 0 to 1, got 1\.5|share must be .*, got 1\.5"):
        least_familiarity(lambda x: x, [(np.eye(3), np.zeros(3))], share=1.5)
