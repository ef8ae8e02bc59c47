"""Tests of the repr of a network and of its diagram in notebooks."""

import sys

import pytest

from refconv import models, nn
from refconv.nn.description import short_repr


def test_the_repr_of_a_short_container_is_one_line_with_the_given_names():
    assert repr(nn.Sequential(nn.Conv2D(4, 3), nn.ReLU())) == "Sequential(Conv2D(4, 3×3), ReLU())"
    assert repr(nn.Sequential(conv=nn.Conv2D(4, 3), relu=nn.ReLU())) == "Sequential(conv=Conv2D(4, 3×3), relu=ReLU())"
    assert repr(nn.Concat(nn.ReLU(), nn.Tanh(), axis=0)) == "Concat(ReLU(), Tanh(), axis=0)"
    assert repr(nn.StochasticDepth(nn.ReLU(), 0.75)) == "StochasticDepth(ReLU(), survival=0.75)"
    assert repr(nn.Fractal(nn.ReLU(), 3)) == "Fractal(ReLU(), columns=3)"


def test_the_repr_of_a_long_container_has_an_indented_line_for_each_layer():
    block = nn.Sum(nn.Sequential(conv1=nn.Conv2D(64, 3, padding=1), conv2=nn.Conv2D(64, (3, 5), dilation=2)), nn.Identity())
    model = nn.Sequential(stem=nn.Conv2D(64, 7), block=block, end=nn.StochasticDepth(block, 0.5), scores=nn.Dense(10))
    text = """
Sequential(
  stem: Conv2D(64, 7×7)
  block: Sum(
    0: Sequential(
      conv1: Conv2D(64, 3×3, padding ((1, 1), (1, 1)))
      conv2: Conv2D(64, 3×5, dilation 2×2)
    )
    1: Identity()
  )
  end: StochasticDepth(
    0: Sum(
      0: Sequential(
        conv1: Conv2D(64, 3×3, padding ((1, 1), (1, 1)))
        conv2: Conv2D(64, 3×5, dilation 2×2)
      )
      1: Identity()
    )
    survival=0.5
  )
  scores: Dense(10)
)"""
    assert repr(model) == text[1:]


def test_errors_do_not_show_a_long_repr():
    model = models.resnet(18)
    assert short_repr(model) == "Sequential(…)"
    with pytest.raises(RuntimeError, match=r"^Sequential\(…\) is not built"):
        model.summary()
    assert short_repr(nn.ReLU()) == "ReLU()"


def test_a_notebook_shows_a_built_network_as_a_diagram():
    pytest.importorskip("matplotlib")
    model = models.lenet()
    assert model._repr_html_() is None
    model.build((32, 32, 1))
    html = model._repr_html_()
    assert html.startswith('<svg style="max-width: 100%; height: auto" ')
    assert html.rstrip().endswith("</svg>")
    assert ">5×5 conv, 16<" in html
    assert model["conv1"]._repr_html_() is None


def test_without_matplotlib_a_notebook_shows_the_text(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    model = nn.Sequential(nn.Dense(3), nn.Dense(2))
    model.build((4,))
    assert model._repr_html_() is None


def test_the_repr_of_each_layer_is_computed_once_at_any_depth():
    calls = []

    class Counted(nn.Identity):
        def __repr__(self):
            calls.append(self)
            return "Counted()"

    model = nn.Sequential(Counted())
    for _ in range(12):
        model = nn.Sequential(model, nn.Conv2D(3, (5, 7), padding=2), nn.Conv2D(3, (5, 7), padding=2))
    assert repr(model).count("Counted()") == len(calls) == 1
