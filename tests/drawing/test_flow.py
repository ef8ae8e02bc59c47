"""Tests of flow diagrams of blocks: captions of boxes, joins, and no overlaps."""

import itertools

import pytest

from refconv import models, nn
from refconv.drawing import flow

figures = pytest.importorskip("matplotlib.figure")
patches = pytest.importorskip("matplotlib.patches")


def drawn(layer):
    """Draw a layer and return the axes and the drawn node."""
    axes, piece = figures.Figure().add_subplot(), flow.node(layer)
    end = flow.draw(axes, piece, 5.0, 0.0)
    assert end == pytest.approx(-piece.height)
    return axes, piece


def boxes(axes):
    """Return left, right, bottom and top of all boxes and joins."""
    bounds = []
    for patch in axes.patches:
        if isinstance(patch, patches.FancyBboxPatch):
            x, y = patch.get_x(), patch.get_y()
            bounds.append((x, x + patch.get_width(), y, y + patch.get_height()))
        elif isinstance(patch, patches.Circle):
            x, y = patch.center
            bounds.append((x - patch.radius, x + patch.radius, y - patch.radius, y + patch.radius))
    return bounds


BLOCKS = [
    ("googlenet", "trunk.inception3a"),
    ("inception-v3", "trunk.figure7_1"),
    ("inception-v3", "trunk.reduction2"),
    ("bn-inception", "inception3c"),
    ("resnet50", "conv3_x"),
    ("resnext50", "conv2_x.block1"),
    ("wrn-28-10", "conv2"),
    ("stochastic-depth110", "stage2.block1"),
    ("densenet121", "dense1"),
    ("fractalnet40", "network.block1"),
    ("unet", "u"),
    ("deep-image-prior", "hourglass"),
    ("mobilenet", "conv5"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[f"{name} {block}" for name, block in BLOCKS])
def test_boxes_do_not_overlap_or_extend_beyond_their_piece(name, block):
    model, shape = models.create(name), models.input_shape(name)
    (layer,) = (layer for dotted, layer, _ in model.distinct_layers(shape) if dotted == block)
    axes, piece = drawn(layer)
    bounds = boxes(axes)
    assert bounds
    tolerance, least = 1e-6, 0.05
    for a, b in itertools.combinations(bounds, 2):
        separate = max(b[0] - a[1], a[0] - b[1], b[2] - a[3], a[2] - b[3]) >= least
        assert separate, (a, b)
    for left, right, low, high in bounds:
        assert 5 - piece.left - 0.3 <= left < right <= 5 + piece.right + 0.3
        assert -piece.height - tolerance <= low < high <= tolerance


def texts(layer):
    """Return the texts of a drawing without the arrows, which are empty texts in matplotlib."""
    return sorted(filter(None, (text.get_text() for text in drawn(layer)[0].texts)))


def test_normalisation_and_activation_are_in_the_box_of_their_convolution():
    after = nn.Sequential(nn.BatchNorm(), nn.ReLU())
    chain = nn.Sequential(nn.Conv2D(7, (3, 5), stride=2, bias=False), after, nn.MaxPool2D(2))
    assert texts(chain) == ["2×2 max pool, /2", "3×5 conv, 7, /2\nBN, ReLU"]
    before = nn.Sequential(nn.BatchNorm(), nn.ReLU(), nn.Conv2D(5, 1, groups=5))
    assert texts(before) == ["1×1 conv, 5, 5 groups", "BN\nReLU"]


def test_branches_end_at_their_join_and_the_identity_is_a_line():
    block = nn.Sum(nn.Conv2D(4, 3, padding=1), nn.Identity())
    assert texts(block) == ["+", "3×3 conv, 4"]
    axes, piece = drawn(block)
    (circle,) = (patch for patch in axes.patches if isinstance(patch, patches.Circle))
    assert circle.center[0] == 5.0  # the join is below the branch with the convolution
    assert piece.right > piece.left
    assert texts(nn.Concat(nn.Identity(), nn.Dense(3))) == ["concat", "dense, 3"]
    assert texts(nn.StochasticDepth(nn.Dense(3), 0.25)) == ["dense, 3", "p = 0.25"]


def test_a_fractal_is_drawn_with_its_convolutions_and_joins():
    captions = texts(nn.Fractal(nn.Conv2D(4, 3), 3))
    assert captions.count("3×3 conv, 4") == 7
    assert captions.count("mean") == 2
