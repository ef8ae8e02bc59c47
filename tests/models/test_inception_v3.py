"""Tests of Inception-v2 and v3 as the paper prints them, beside the released network."""

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import models
from refconv.models.published.inception import V3_INPUT, tables

BLOCKS = {"figure5": 3, "figure6": 5, "figure7": 2}  # numbers of blocks in Table 1


def children(style):
    return {name: (layer, at) for name, layer, at in models.inception_v3(style=style, heads=False).children(V3_INPUT)}


@pytest.mark.parametrize("style", ["paper", "paper-v2"])
def test_the_paper_has_three_five_and_two_blocks_of_constant_size(style):
    layers = children(style)
    for figure, count in BLOCKS.items():
        names = [name for name in layers if name.startswith(figure)]
        assert len(names) == count
        sizes = {layers[name][0].output_shape(layers[name][1]) for name in names}
        assert sizes == {{"figure5": (35, 35, 288), "figure6": (17, 17, 768), "figure7": (8, 8, 2048)}[figure]}


def test_the_styles_differ_where_the_paper_and_the_released_network_do():
    paper, v2, released = (children(style) for style in ("paper", "paper-v2", "released"))
    assert set(paper) - set(released) == {"conv6", "figure6_5"}
    assert set(released) - set(paper) == {"pool2"}
    assert set(paper) - set(v2) == {"conv2", "conv3"}
    assert v2["conv1"][0].output_shape(V3_INPUT) == (147, 147, 64) == paper["pool1"][1]


def test_factorising_the_7_by_7_convolution_costs_the_difference_of_the_first_layers():
    """The three 3 × 3 convolutions have 32, 32 and 64 filters, and the 7 × 7 convolution has 64."""
    v2, v3 = (models.inception_v3(style=style, heads=False).multiply_adds(V3_INPUT) for style in ("paper-v2", "paper"))
    three = 149**2 * 27 * 32 + 147**2 * 9 * 32 * (32 + 64)
    assert v3 - v2 == three - 147**2 * 49 * 3 * 64


def test_the_auxiliary_classifier_follows_the_last_block_like_figure_6():
    released, paper = models.inception_v3(), models.inception_v3(style="paper")
    assert "head_figure6_4.scores" in {name for name, _, _ in released.distinct_layers(V3_INPUT)}
    assert "head_figure6_5.scores" in {name for name, _, _ in paper.distinct_layers(V3_INPUT)}


def test_all_eight_rows_of_the_cost_table_are_counted():
    """D7: the printed costs are 1.5, 1.5, 2.0, 3.8, 3.8, 3.8, 4.8 and 4.8 billion multiply-adds."""
    (costs,) = (table for table in tables() if "Table 3" in table.title)
    assert [claim.printed for claim in costs.claims] == [f"{cost}Bn" for cost in (1.5, 1.5, 2.0, 3.8, 3.8, 3.8, 4.8, 4.8)]
    counted = [claim.counted for claim in costs.claims]
    assert counted[0] == counted[1] < counted[2] < counted[3] == counted[4] == counted[5] < counted[6] == counted[7]


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match=r"style must be 'released', 'torchvision', 'paper' or 'paper-v2', got 'v4'"):
        models.inception_v3(style="v4")


@needs_kernels
@pytest.mark.parametrize("style", ["paper", "paper-v2"])
def test_the_gradient_of_the_printed_network_is_the_slope_along_it(style):
    """Compare ⟨g, g⟩ with the slope of ⟨dy, f(x)⟩ along g = ∂e/∂x, in float64.

    The passes run in inference mode: there f has no dropout and is piecewise linear, so that the central difference over
    ±10⁻⁶ has only a rounding error of about 10⁻¹⁶ / 10⁻⁶, unless a ReLU or a pooling changes inside this interval.
    """
    model = models.inception_v3(7, width=1 / 16, style=style, heads=False)
    model.build((75, 79, 3), rng=3, dtype=np.float64)
    rng = np.random.default_rng(4)
    x, dy = rng.normal(size=(3, 75, 79, 3)), rng.normal(size=(3, 7))
    _, backward = model.forward(x, train=False)
    g = backward(dy)
    h = 1e-6 / np.linalg.norm(g)
    above, below = (np.sum(dy * model(x + step * g)) for step in (h, -h))
    assert (above - below) / (2 * h) == pytest.approx(np.sum(g * g), rel=1e-7)


@needs_kernels
def test_the_small_variant_computes_in_float32():
    model = models.create("inception-v3-paper-small", width=1 / 16)
    model.build((32, 32, 3), rng=5)
    scores, backward = model.forward(np.ones((3, 32, 32, 3), np.float32), train=True)
    dx = backward(np.ones_like(scores))
    assert (scores.shape, scores.dtype) == ((3, 10), np.float32)
    assert (dx.shape, dx.dtype) == ((3, 32, 32, 3), np.float32)
    assert np.isfinite(dx).all()
    assert all(p.grad.any() for p in model.named_parameters().values() if p.trainable)
