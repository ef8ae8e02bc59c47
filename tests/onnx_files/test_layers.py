"""Tests of the layers of refconv.onnx: derivatives, shapes, joins and errors."""

import copy

import numpy as np
import pytest

import refconv
from refconv import nn, verify
from refconv.onnx import layers

A = np.array([[1.0, 0, 0], [0.25, 0.5, 0.25], [0, 0, 1], [0, 1, 0]])


def tangled():
    """Return a graph in which most outputs are read several times."""
    return layers.Graph(
        {
            "f": nn.Dense(4),
            "g": nn.Sequential(nn.Dense(4), nn.Tanh()),
            "product": layers.Multiply(),
            "joined": layers.Concatenate(0),
            "h": nn.Dense(4),
            "mean": layers.Average(),
            "end": layers.Add(),
        },
        {
            "f": ["input"],
            "g": ["f"],
            "product": ["f", "g"],
            "joined": ["g", "input", "product"],
            "h": ["joined"],
            "mean": ["h", "f"],
            "end": ["mean", "product", "f"],
        },
    )


CHECKED = {
    "Transpose": (layers.Transpose((2, 0, 1)), (3, 4, 5)),
    "Reshape": (layers.Reshape((10, 6)), (3, 4, 5)),
    "Slice": (layers.Slice([(1, 2, 1), (3, 2, -2), (0, 2, 3)]), (3, 4, 5)),
    "Pad constant": (layers.Pad([(1, 0), (0, 2), (2, 1)], value=0.5), (3, 4, 5)),
    "Pad edge": (layers.Pad([(1, 0), (0, 2), (2, 1)], "edge"), (3, 4, 5)),
    "Pad reflect": (layers.Pad([(1, 0), (0, 2), (2, 1)], "reflect"), (3, 4, 5)),
    "ReduceMean": (layers.ReduceMean((0, 2)), (3, 4, 5)),
    "Resize": (layers.Resize([None, A, None]), (2, 3, 5)),
    "Clip": (layers.Clip(-0.5, 0.7), (3, 4)),
    "Clip at one side": (layers.Clip(most=0.3), (3, 4)),
    "Scale": (layers.Scale((4, 1)), (3, 4, 5)),
    "Shift": (layers.Shift((3, 1, 5)), (3, 4, 5)),
    "fixed Scale": (layers.Scale((), trainable=False), (3, 4)),
    "Power": (nn.Sequential(layers.Power(3), layers.Power(2)), (3, 4)),
    "roots": (nn.Sequential(layers.Power(2), nn.ChannelAffine((1,) * 4, (0.5,) * 4), layers.Power(-0.5)), (3, 4)),
    "Graph": (tangled(), (3,)),
}


@pytest.mark.parametrize("name", CHECKED)
def test_derivatives_agree_with_central_differences(name, capsys):
    layer, shape = CHECKED[name]
    assert verify.check_layer(layer, shape, batch=2), capsys.readouterr().out


def test_the_derivative_of_a_root_of_zero_is_zero():
    y, backward = layers.Power(0.5).forward(np.array([[0.0, 4.0]]))
    assert y.tolist() == [[0, 2]]
    assert backward(np.array([[3.0, 3.0]])).tolist() == [[0, 0.75]]


def test_powers_that_are_not_finite_are_returned_without_a_warning():
    y = layers.Power(-0.5)(np.array([[0.0, -1.0, 4.0]]))
    np.testing.assert_array_equal(y, [[np.inf, np.nan, 0.5]])


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Add(), [(2, 4, 5), (2, 1, 5), (2, 4, 1)]),
        (layers.Multiply(), [(2, 4, 5), (2, 1, 5), (2, 4, 1)]),
        (layers.Average(), [(2, 4, 5), (2, 4, 5)]),
        (layers.Concatenate(1), [(2, 4, 5), (2, 4, 3)]),
        (layers.Concatenate(-2), [(2, 4, 5), (2, 3, 5)]),
    ],
)
def test_joins_have_the_gradients_of_central_differences(layer, shapes):
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=shape) for shape in shapes]
    y, backward = layer.forward(xs)
    assert y.shape[1:] == layer.output_shape([shape[1:] for shape in shapes])
    dy = rng.normal(size=y.shape)
    for x, dx in zip(xs, backward(dy), strict=True):
        assert dx.shape == x.shape
        for index in ((0,) * x.ndim, tuple(n - 1 for n in x.shape)):
            kept, values = x[index], []
            for step in (1e-6, -1e-6):
                x[index] = kept + step
                values.append((layer.forward(xs)[0] * dy).sum())
            x[index] = kept
            assert (values[0] - values[1]) / 2e-6 == pytest.approx(dx[index], abs=1e-6)


def test_a_graph_describes_itself_like_other_containers(tmp_path, capsys):
    model = tangled()
    model.build((3,), rng=0)
    x = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    assert model.activations(x, "g.0").shape == (5, 4)
    assert (model.activations(x, "end") == model(x)).all()
    assert model.all_activations((3,)) > model.peak_activations((3,)) > 16
    model.summary()
    assert "joined" in capsys.readouterr().out
    model.save(tmp_path / "model.safetensors")
    assert (refconv.load(tmp_path / "model.safetensors")(x) == model(x)).all()
    assert (copy.deepcopy(model)(x) == model(x)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Graph({"a": nn.ReLU()}, {"a": ["b"], "b": ["input"]}), "sources of a must be outputs of earlier"),
        (lambda: layers.Graph({"a": nn.ReLU()}, {"a": ["input", "input"]}), "sources of a must be outputs of earlier"),
        (lambda: layers.Transpose((0, 2)), "axes must be a permutation"),
        (lambda: layers.Reshape((2, 5)).output_shape((3, 4)), "must have 10 elements"),
        (lambda: layers.Slice([(1, 4, 1)]).output_shape((4,)), "must contain all selected elements"),
        (lambda: layers.Pad([(4, 0)], "reflect").output_shape((4,)), "widths must be smaller than the reflected input"),
        (lambda: layers.Scale((3,)).output_shape((4,)), "can be broadcast"),
        (lambda: layers.Scale((4,)).output_shape((1,)), "to which"),
        (lambda: layers.Concatenate(0).output_shape([(3, 4), (3, 5)]), "must differ only in this axis"),
        (lambda: layers.Concatenate(2).output_shape([(3, 4), (3, 5)]), "must have the same axes and this axis"),
        (lambda: layers.Add().output_shape([(3, 4), (4,)]), "must have the same number of axes"),
        (lambda: layers.Resize([A]).output_shape((4,)), r"must have sizes \[3\]"),
    ],
)
def test_shapes_and_connections_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
