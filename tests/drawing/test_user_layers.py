"""Tests of tables and diagrams of users' layers and containers that only define forward."""

import pytest

from refconv import nn
from refconv.analysis.receptive_field import receptive_field
from refconv.analysis.summary import rows, stages, summary
from refconv.drawing import architecture_picture, flow, ushape, volumes

pytest.importorskip("matplotlib")


class Swish(nn.Layer):
    """Layer that defines only forward."""

    def forward(self, x, train=True):
        raise AssertionError("tables and diagrams compute nothing")


class PixelwiseSwish(Swish):
    """Layer that defines all optional attributes and methods."""

    category = "activation"

    def caption(self):
        return "swish"

    def input_span(self, shape, span):
        return span


class Residual(nn.Layer):
    """Container that overrides forward."""

    def __init__(self, main):
        self.main, self.after = main, nn.ReLU()

    def named_layers(self):
        yield "main", self.main
        yield "after", self.after

    def children(self, shape):
        yield "main", self.main, shape
        yield "after", self.after, shape

    def output_shape(self, shape):
        return shape

    def forward(self, x, train=True):
        raise AssertionError("tables and diagrams compute nothing")


class Product(nn.Sum):
    """User's join with its own caption."""

    def caption(self):
        return "×"


SHAPE = (10, 9, 3)


def conv(filters):
    return nn.Conv2D(filters, 3, padding="same")


NETWORKS = {
    "alone": Swish,
    "chain": lambda: nn.Sequential(conv(4), Swish(), nn.MaxPool2D(2), PixelwiseSwish()),
    "sum": lambda: nn.Sequential(block1=nn.Sum(Swish(), nn.Identity()), block2=Product(conv(3), PixelwiseSwish())),
    "concat": lambda: nn.Sequential(nn.Concat(nn.Sequential(conv(2), Swish()), PixelwiseSwish()), nn.Flatten(), nn.Dense(5)),
    "container": lambda: nn.Sequential(first=Residual(conv(3)), second=Residual(nn.Sequential(Swish(), conv(3)))),
    "container alone": lambda: Residual(Residual(Swish())),
    "wrappers": lambda: nn.Sequential(
        nn.StochasticDepth(Swish(), 0.5), nn.Fractal(Swish(), 3), nn.Fractal(PixelwiseSwish(), 1)
    ),
    "heads": lambda: nn.Heads(nn.Sequential(a=Swish(), b=conv(4)), a=nn.Sequential(Swish(), Residual(Swish()))),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_summary_works_at_every_depth(name, capsys):
    model = NETWORKS[name]()
    for depth in (None, 1, 2, 3, 4):
        summary(model, SHAPE, depth=depth)
        table = rows(model, SHAPE) if depth is None else stages(model, SHAPE, depth)
        assert sum(row.parameters + row.untrained for row in table) == model.count_parameters(SHAPE)
    assert "Swish()" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_and_their_blocks_can_be_drawn(name):
    model = NETWORKS[name]()
    assert ">input<" in architecture_picture(model, SHAPE, name, form="svg").decode()
    for dotted, _, _ in model.distinct_layers(SHAPE):
        if dotted != "the model":
            architecture_picture(model, SHAPE, name, block=dotted)


@pytest.mark.parametrize("name", NETWORKS)
def test_peak_activations_are_between_the_input_and_all_activations(name):
    model = NETWORKS[name]()
    size = 10 * 9 * 3
    assert size <= model.peak_activations(SHAPE) <= size + model.all_activations(SHAPE)


def texts(layer):
    figures = pytest.importorskip("matplotlib.figure")
    axes = figures.Figure().add_subplot()
    flow.draw(axes, flow.node(layer), 0.0, 0.0)
    return sorted(filter(None, (text.get_text() for text in axes.texts)))


def test_a_layer_has_a_box_with_the_name_of_its_class_or_its_own_caption():
    assert texts(nn.Sequential(conv(4), Swish())) == ["3×3 conv, 4", "Swish"]
    assert texts(nn.Sequential(conv(4), PixelwiseSwish())) == ["3×3 conv, 4\nswish"]
    assert [v.text for v in volumes.volumes(NETWORKS["chain"](), SHAPE)] == [
        "input",
        "3×3 conv, 4",
        "Swish",
        "2×2 max pool, /2",
    ]


def test_a_container_lists_its_inner_layers():
    assert texts(Residual(nn.Sequential(conv(3)))) == ["Residual\nSequential\nReLU"]
    assert texts(Product(conv(3), Swish())) == ["3×3 conv, 3", "Swish", "×"]
    deep = Residual(Swish())
    deep.named_layers = lambda: ((str(k), Swish()) for k in range(30))
    assert texts(deep) == ["Residual\n" + "Swish\n" * 5 + "…"]


def test_an_unknown_wiring_is_named():
    class Ring(Swish):
        wiring = "ring"

    with pytest.raises(ValueError, match=r"wiring of Ring must be 'box', 'line', .* got 'ring'"):
        flow.node(nn.Sequential(Ring()))


def test_a_users_container_keeps_the_outputs_of_its_inner_layers_until_its_end():
    # Outputs of both inner layers, and the input or then the output of the container.
    assert Residual(conv(5)).peak_activations((10, 9, 3)) == 90 * (5 + 3 + 3)
    assert Residual(conv(5)).all_activations((10, 9, 3)) == 90 * (5 + 3 + 3)


def test_the_receptive_field_is_known_only_with_input_span():
    def receptive_field_with(layer):
        return receptive_field(nn.Sequential(conv(3), layer, conv(3)), SHAPE)

    assert receptive_field_with(Swish()) is None
    assert receptive_field_with(PixelwiseSwish()) == (5, 5)
    assert receptive_field_with(Residual(conv(3))) is None
    table = stages(nn.Sequential(first=conv(3), block=Residual(conv(3)), last=conv(3)), SHAPE, 2)
    assert [(row.name, row.receptive_field) for row in table] == [
        ("first", (3, 3)),
        ("block.main", None),
        ("block.after", None),
        ("last", None),
    ]


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Dense(7), nn.ReLU(), nn.Dense(3)), (5,)),
        (nn.Sequential(nn.Conv1D(4, 3), nn.MaxPool1D(2), nn.Flatten(), nn.Dense(3)), (20, 2)),
        (
            nn.Sequential(nn.Conv2D(4, 3, data_format="channels_first"), nn.GlobalAvgPool2D(data_format="channels_first")),
            (2, 9, 8),
        ),
        (nn.Sequential(u=nn.Dense(5), hourglass=nn.Dense(2)), (4,)),
    ],
    ids=["vectors", "signals", "channels first", "layers named like a U"],
)
def test_networks_for_vectors_signals_and_channels_first_are_drawn(model, shape):
    assert ushape.levels(model, shape) == []
    assert architecture_picture(model, shape, "network").startswith(b"\x89PNG")


def test_volumes_have_the_size_of_their_images_in_any_data_format():
    first = nn.Sequential(nn.Conv2D(4, 3, data_format="channels_first"))
    assert [(v.size, v.channels) for v in volumes.volumes(first, (2, 9, 8))] == [((9, 8), 2), ((7, 6), 4)]
    signals = nn.Sequential(nn.Conv1D(4, 3))
    assert [(v.size, v.channels) for v in volumes.volumes(signals, (9, 2))] == [((9,), 2), ((7,), 4)]
