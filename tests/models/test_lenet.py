"""Tests of LeNet-5 against the figure, the tables and the text of the paper."""

import numpy as np
import pytest

from evidence import ENGINES, assert_within, rounding
from refconv import config, models, nn
from refconv.optim import SGD
from refconv.training import train_step


@pytest.mark.parametrize("style", ["modern", "paper"])
def test_sizes_of_the_layers_match_figure_2(style):
    sizes = [layer.output_shape(shape) for _, layer, shape in models.lenet(style).children((32, 32, 1))]
    maps = [size[:2] for size in sizes if len(size) == 3]
    assert [m for k, m in enumerate(maps) if k == 0 or m != maps[k - 1]][:4] == [(28, 28), (14, 14), (10, 10), (5, 5)]
    units = [size[-1] for size in sizes if size[-1] in (120, 84, 10)]
    assert list(dict.fromkeys(units)) == [120, 84, 10]
    assert sizes[-1] == (10,)


def test_numbers_of_parameters_match_the_paper_in_each_layer():
    model = models.lenet("paper")
    counts = {name: layer.count_parameters(shape) for name, layer, shape in model.children((32, 32, 1))}
    # Section II-B of the paper: C1 156, S2 12, C3 1,516, S4 32, C5 48,120, F6 10,164.
    assert {name: n for name, n in counts.items() if n} == {
        "c1": 156,
        "s2": 12,
        "c3": 1516,
        "s4": 32,
        "c5": 48120,
        "f6": 10164,
        "scores": 850,
    }


@pytest.mark.parametrize(("style", "layers"), [("modern", "relu1 pool1 relu2 pool2"), ("paper", "tanh1 s2 tanh3 s4")])
def test_feature_maps_move_with_the_digit(style, layers):
    """D11: if the digit moves by 4 pixels, the maps move by 4, 2, 2 and 1 pixels."""
    model = models.lenet(style)
    model.build((32, 32, 1), rng=0, dtype=np.float64)
    image = np.zeros((1, 32, 32, 1))
    image[:, 9:20, 11:18] = np.random.default_rng(0).standard_normal((1, 11, 7, 1))
    moved = np.roll(image, 4, axis=2)
    for layer, pixels in zip(layers.split(), (4, 2, 2, 1), strict=True):
        before, after = (model.activations(x, layer) for x in (image, moved))
        np.testing.assert_allclose(after[:, :, pixels:], before[:, :, :-pixels], rtol=1e-12, atol=1e-12)
        assert np.abs(after - before).max() > 0.01  # the maps do move
    assert np.abs(model(moved) - model(image)).max() > 0.001  # the dense layers undo no shift


def test_table_1_connects_each_map_of_s2_to_ten_of_c3():
    from refconv.models.lenet import SEEN_BY_C3

    assert len(set(SEEN_BY_C3)) == 16
    assert [sum(k in seen for seen in SEEN_BY_C3) for k in range(6)] == [10] * 6
    assert [len(seen) for seen in SEEN_BY_C3] == [3] * 6 + [4] * 9 + [6]


def test_subsampling_is_the_mean_of_four_times_a_coefficient_plus_a_bias():
    from refconv.models.lenet import subsampling

    layer = subsampling(2)
    layer.build((4, 2, 2), rng=0, dtype=np.float64)
    layer.named_parameters()["coefficient.w"].value[...] = np.array([2.0, 3.0])
    layer.named_parameters()["coefficient.b"].value[...] = b = np.array([0.5, -0.5])
    x = np.random.default_rng(0).standard_normal((1, 4, 2, 2))

    def sums(x, b):
        return x.reshape(1, 2, 2, 1, 2, 2).mean((2, 4)) * [2.0, 3] + b

    # tanh does not magnify an error, and it adds a few rounding errors of a number below 1.
    (allowed,) = rounding(sums, x, b, terms=4 + 1)
    assert_within(layer(x), np.tanh(sums(x, b)), allowed + 4 * np.finfo(x.dtype).eps)


def tiny(style):
    """Return a network with the layers of LeNet but fewer maps and pixels, for the loops."""
    if style == "modern":
        return nn.Sequential(
            *(nn.Conv2D(3, 3), nn.ReLU(), nn.MaxPool2D(2), nn.Conv2D(4, 2), nn.ReLU(), nn.MaxPool2D(2)),
            *(nn.Flatten(), nn.Dense(7), nn.ReLU(), nn.Dense(5)),
        )
    return nn.Sequential(
        *(nn.Conv2D(3, 3), nn.Tanh(), nn.AvgPool2D(2), nn.Conv2D(3, 1, groups=3), nn.BatchNorm(), nn.Tanh()),
        nn.Concat(nn.Sequential(nn.Select([0, 2]), nn.Conv2D(2, 2)), nn.Conv2D(1, 2)),
        *(nn.Flatten(), nn.Dense(5)),
    )


@pytest.mark.parametrize("engine", ENGINES[:-1])
@pytest.mark.parametrize("style", ["modern", "paper"])
def test_a_training_step_on_the_loops_equals_the_other_engines(style, engine):
    rng = np.random.default_rng(3)
    x, labels = rng.standard_normal((4, 12, 10, 1)), np.array([0, 3, 1, 4])

    def three_steps(name):
        with config(engine=name):
            model = tiny(style)
            model.build((12, 10, 1), rng=1, dtype=np.float64)
            optimizer = SGD(model, lr=0.1, momentum=0.9, weight_decay=5e-4)
            losses = [train_step(model, optimizer, x, labels)[0] for _ in range(3)]
        return losses, {name: p.value for name, p in model.named_parameters().items()}

    losses, loops = three_steps("reference")
    faster_losses, faster = three_steps(engine)
    assert losses[2] < losses[0]
    np.testing.assert_allclose(faster_losses, losses, rtol=0, atol=1e-10)
    for name, value in loops.items():
        np.testing.assert_allclose(faster[name], value, rtol=0, atol=1e-10, err_msg=name)


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="style must be 'modern' or 'paper', got 'old'"):
        models.lenet("old")
    with pytest.raises(ValueError, match="width must be 1 for the paper's style, got 2"):
        models.lenet("paper", width=2)
    assert models.lenet(width=0.5).output_shape((32, 32, 1)) == (10,)
