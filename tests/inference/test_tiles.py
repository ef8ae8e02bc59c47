"""Tests of the choice of Winograd's tiles within a limit of memory."""

import numpy as np
import pytest

import refconv
from evidence import needs_kernels
from refconv import nn
from refconv.inference import tiles
from refconv.inference.lowering import lower
from refconv.inference.memory import plan_memory
from refconv.inference.rewriting import rewrite

pytestmark = needs_kernels


@pytest.fixture(autouse=True)
def no_spare_memory(monkeypatch):
    monkeypatch.setattr(tiles, "ALWAYS_SPARE", 0)
    monkeypatch.setattr(tiles, "RESERVED", 0)


def chosen(model, images, dense=0):
    """Return the sides of the tiles of a network, to which a dense layer may be added."""
    if dense:
        model = nn.Sequential(model, nn.GlobalAvgPool2D(), nn.Dense(dense))
    model.build((40, 36, 32), rng=0)
    graph = rewrite(lower(model, (40, 36, 32), images))
    weights = sum(parameter.value.size for parameter in model.named_parameters().values())
    tiles.choose_tiles(graph, plan_memory(graph).size, weights)
    return [node.side for node in graph.nodes.values() if getattr(node, "side", None) is not None]


def convolutions():
    """Return convolutions of fewer and fewer pixels and more and more weights."""
    return nn.Sequential(
        a=nn.Conv2D(32, 3, padding=1),
        pool=nn.MaxPool2D(2),
        b=nn.Conv2D(64, 3, padding=1),
        one=nn.Conv2D(64, 1, stride=2),
        c=nn.Conv2D(128, 3, padding=1),
    )


def test_layers_with_many_pixels_get_the_larger_tiles():
    with refconv.config(precision="fast"):
        assert chosen(convolutions(), 5) == [4, 2, 2]
        assert chosen(convolutions(), 5, dense=20000) == [4, 4, 2]  # 450 pixels of the last layer are few
        assert chosen(convolutions(), 50, dense=20000) == [4, 4, 4]


def test_networks_of_3x3_convolutions_get_tiles_of_2x2():
    """The limit leaves nothing for tiles, but these convolutions have most of the weights."""
    layers = (nn.Conv2D(32, 3, padding=1) for _ in range(9))
    assert chosen(nn.Sequential(*layers, nn.Conv2D(64, 1)), 1).count(2) == 8


def test_no_large_tiles_with_the_standard_precision():
    assert chosen(convolutions(), 50, dense=20000) == [2, 2, 2]


def test_small_networks_may_use_some_memory(monkeypatch):
    # More than two of the largest outputs are needed at the same time, so the limit leaves nothing for the tiles.
    model = nn.Sequential(nn.Conv2D(32, 3, padding=1), nn.Sum(*(nn.Sequential(nn.Conv2D(64, 1), nn.ReLU()) for _ in range(5))))
    assert chosen(model, 1) == [0]
    monkeypatch.setattr(tiles, "ALWAYS_SPARE", 1 << 21)
    assert chosen(model, 1) == [2]


def test_the_plan_uses_the_chosen_tiles():
    model = nn.Sequential(convolutions(), nn.GlobalAvgPool2D(), nn.Dense(20000))
    model.build((40, 36, 32), rng=0)
    with refconv.config(precision="fast"):
        plan = refconv.compile_model(model, batch_size=5)
    kernels = [step.kernel for step in plan.steps if "winograd" in step.kernel]
    assert kernels == ["winograd 4×4", "winograd 4×4", "winograd 2×2"]
    x = np.random.default_rng(0).standard_normal((5, 40, 36, 32)).astype(np.float32)
    assert np.abs(plan(x) - model(x)).max() <= 1e-5 * np.abs(model(x)).max()
