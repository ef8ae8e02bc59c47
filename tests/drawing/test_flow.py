"""Blocks as boxes: what stands in them, and that none lies upon another."""

import itertools

import pytest

from refconv import models, nn
from refconv.drawing import flow

figures = pytest.importorskip("matplotlib.figure")
patches = pytest.importorskip("matplotlib.patches")


def drawn(layer):
    """The axes, and the piece."""
    axes, piece = figures.Figure().add_subplot(), flow.node(layer)
    end = flow.draw(axes, piece, 5.0, 0.0)
    assert end == pytest.approx(-piece.height)
    return axes, piece


def boxes(axes):
    """Left, right, bottom and top of all boxes and joins."""
    found = []
    for patch in axes.patches:
        if isinstance(patch, patches.FancyBboxPatch):
            x, y = patch.get_x(), patch.get_y()
            found.append((x, x + patch.get_width(), y, y + patch.get_height()))
        elif isinstance(patch, patches.Circle):
            x, y = patch.center
            found.append((x - patch.radius, x + patch.radius, y - patch.radius, y + patch.radius))
    return found


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


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[f"{name} {block}" for name, block in BLOCKS])
def test_no_box_lies_upon_another_or_outside_of_its_piece(name, block):
    model, shape = models.create(name), models.input_shape(name)
    (layer,) = (layer for dotted, layer, _ in model.distinct_layers(shape) if dotted == block)
    axes, piece = drawn(layer)
    found = boxes(axes)
    assert found
    near, least = 1e-6, 0.05
    for a, b in itertools.combinations(found, 2):
        apart = max(b[0] - a[1], a[0] - b[1], b[2] - a[3], a[2] - b[3]) >= least
        assert apart, (a, b)
    for left, right, low, high in found:
        assert 5 - piece.left - 0.3 <= left < right <= 5 + piece.right + 0.3
        assert -piece.height - near <= low < high <= near


def texts(layer):
    """Without the arrows, which are texts without words to matplotlib."""
    return sorted(filter(None, (text.get_text() for text in drawn(layer)[0].texts)))


def test_what_follows_a_convolution_stands_in_its_box():
    after = nn.Sequential(nn.BatchNorm(), nn.ReLU())
    chain = nn.Sequential(nn.Conv2D(7, (3, 5), stride=2, bias=False), after, nn.MaxPool2D(2))
    assert texts(chain) == ["2×2 max pool, /2", "3×5 conv, 7, /2\nBN, ReLU"]
    before = nn.Sequential(nn.BatchNorm(), nn.ReLU(), nn.Conv2D(5, 1, groups=5))
    assert texts(before) == ["1×1 conv, 5, 5 groups", "BN\nReLU"]


def test_branches_end_in_their_join_and_the_identity_is_a_line():
    block = nn.Sum(nn.Conv2D(4, 3, padding=1), nn.Identity())
    assert texts(block) == ["+", "3×3 conv, 4"]
    axes, piece = drawn(block)
    (circle,) = (patch for patch in axes.patches if isinstance(patch, patches.Circle))
    assert circle.center[0] == 5.0  # below the branch that computes; the shortcut is beside
    assert piece.right > piece.left
    assert texts(nn.Concat(nn.Identity(), nn.Dense(3))) == ["concat", "dense, 3"]
    assert texts(nn.StochasticDepth(nn.Dense(3), 0.25)) == ["dense, 3", "p = 0.25"]


def test_a_fractal_has_its_convolutions_and_a_mean_wherever_columns_end_together():
    found = texts(nn.Fractal(nn.Conv2D(4, 3), 3))
    assert found.count("3×3 conv, 4") == 7
    assert found.count("mean") == 2
