"""Tests that a user's layer with only a forward method works like the layers of the package."""

import copy
import functools
import importlib.util
import pickle

import numpy as np
import pytest

import refconv
from evidence import ENGINES
from refconv import nn, optim, verify
from refconv.analysis.receptive_field import receptive_field
from refconv.nn.layer import call_backward
from refconv.training import fit


class Double(nn.Layer):
    def forward(self, x, train=True):
        return 2 * x, lambda dy: 2 * dy


class Scale(nn.Layer):
    """Layer with one parameter, a factor for each channel."""

    def specs(self, shape):
        return {"s": nn.Spec(shape[-1:], nn.ones)}

    def forward(self, x, train=True):
        s = self.parameters["s"]

        def backward(dy):
            s.grad += (dy * x).sum(tuple(range(x.ndim - 1)))
            return dy * s.value

        return x * s.value, backward


@pytest.fixture(autouse=True)
def restored():
    yield
    refconv.set_config(fusion=True)


X = np.random.default_rng(0).standard_normal((6, 8, 9, 2))
CONTAINERS = {
    "Sequential": lambda: nn.Sequential(Double(), nn.Conv2D(2, 3, padding="same"), nn.ReLU(), Double()),
    "Sum": lambda: nn.Sum(Double(), nn.Identity()),
    "Mean": lambda: nn.Mean(nn.Conv2D(2, 1), Double()),
    "Concat": lambda: nn.Concat(Double(), nn.Identity()),
    "StochasticDepth": lambda: nn.StochasticDepth(Double(), 0.8),
    "Fractal": lambda: nn.Fractal(Double(), 2),
    "DropPath": lambda: nn.DropPath(nn.Sequential(nn.Fractal(Double(), 2, drop=0.1))),
    "Heads": lambda: nn.Heads(nn.Sequential(a=Double(), b=Double()), a=Double()),
    "frozen": lambda: built(nn.Sequential(Double())).freeze(),
    "alone": Double,
}


def built(layer):
    layer.build(X.shape[1:], rng=1)
    return layer


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CONTAINERS)
def test_backward_functions_without_want_dx_work_in_every_container(name, engine, fused):
    refconv.set_config(fusion=fused)
    layer, x = CONTAINERS[name](), X[:2, :3, :4]
    layer.build(x.shape[1:], rng=1, dtype=np.float64)
    with refconv.config(engine=engine):
        for train in (True, False):
            y, backward = layer.forward(x, train)
            dy = tuple(np.ones_like(part) for part in y) if isinstance(y, tuple) else np.ones_like(y)
            assert call_backward(backward, dy).shape == x.shape
            call_backward(backward, dy, want_dx=False)
        assert layer(x).shape == (2, *layer.output_shape(x.shape[1:]))


def test_gradients_pass_through_a_users_layer():
    model = nn.Sequential(Double(), nn.Sum(Double(), nn.Identity()), Double())
    model.build((3,), rng=0)
    y, backward = model.forward(np.ones((1, 3)))
    assert y.tolist() == [[12, 12, 12]]
    assert backward(np.ones((1, 3))).tolist() == [[12, 12, 12]]


def test_summary_counts_and_memory_work_for_a_users_layer(capsys):
    model = nn.Sequential(conv=nn.Conv2D(4, 3), double=Double(), scale=Scale(), sum=nn.Sum(nn.Identity(), Double()))
    refconv.summary(model, (8, 9, 2))
    refconv.summary(model, (8, 9, 2), depth=1)
    printed = capsys.readouterr().out
    assert printed.count("Double()") >= 2
    assert model.count_parameters((8, 9, 2)) == 76 + 4
    size = 6 * 7 * 4
    assert model.all_activations((8, 9, 2)) == 5 * size
    assert model.peak_activations((8, 9, 2)) == 3 * size


def test_a_layer_without_input_span_counts_as_seeing_its_complete_input():
    model = nn.Sequential(nn.Conv2D(4, 3), Double())
    assert receptive_field(model, (8, 9, 2)) is None
    assert receptive_field(model[:1], (8, 9, 2)) == (3, 3)


def test_a_users_layer_can_be_copied_and_pickled():
    model = nn.Sequential(Double(), Scale(), nn.Dense(3))
    model.build((2,), rng=0)
    model["1"].parameters["s"].value[...] = [3, 5]
    x = np.array([[1.0, -2.0]], np.float32)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other(x), model(x))
        np.testing.assert_array_equal(other[:2](x), [[6, -20]])


@pytest.mark.parametrize("first", [Double, Scale])
@pytest.mark.parametrize("fused", [True, False])
def test_fit_trains_a_users_layer(first, fused):
    refconv.set_config(fusion=fused)
    batches = [(X[:3].astype(np.float32), np.array([0, 1, 2])), (X[3:].astype(np.float32), np.array([0, 1, 2]))]
    model = nn.Sequential(first(), nn.Conv2D(3, 3), nn.ReLU(), nn.MaxPool2D(2), Scale(), nn.Flatten(), nn.Dense(3), Double())
    model.build((8, 9, 2), rng=1)
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    history = fit(model, batches, optim.SGD(model, 0.05), epochs=8)
    assert history.epochs[-1].train_loss < 0.5 * history.epochs[0].train_loss
    assert all((p.value != before[name]).any() for name, p in model.named_parameters().items())


class Swish(nn.Layer):
    def forward(self, x, train=True):
        s = 1 / (1 + np.exp(-x))
        return x * s, lambda dy: dy * (s + x * s * (1 - s))


@pytest.mark.parametrize("fused", [True, False])
def test_a_short_layer_can_be_trained_saved_loaded_checked_and_drawn(fused, tmp_path, capsys):
    refconv.set_config(fusion=fused)
    model = nn.Sequential(
        nn.Conv2D(4, 3), Swish(), nn.Sum(Swish(), nn.Identity()), nn.Concat(Swish(), nn.Identity()), nn.Flatten(), nn.Dense(3)
    )
    model.build((6, 5, 2), rng=0)
    x, labels = X[:, :6, :5].astype(np.float32), np.arange(6) % 3
    history = fit(model, (x, labels), optim.SGD(model, lr=0.1), epochs=9)
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(refconv.load(tmp_path / "model", layers=[Swish])(x), model(x))
    assert verify.check_layer(model, (6, 5, 2))
    model.summary(depth=2)
    assert capsys.readouterr().out.count("Swish()") == 3
    if importlib.util.find_spec("matplotlib"):
        assert ">Swish<" in model._repr_html_()


def test_a_users_layer_may_be_the_complete_network():
    layer = Scale()
    layer.build((3,), rng=1)
    batches = [(np.eye(3, dtype=np.float32), np.array([0, 1, 2]))]
    history = fit(layer, batches, optim.SGD(layer, 0.5), epochs=5)
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss


class Back:
    """Object that is a backward function, and whose method is one."""

    def __init__(self, seen):
        self.seen = seen

    def __call__(self, dy):
        self.seen.append(dy)

    def method(self, dy, *, want_dx=True):
        self.seen.append(want_dx)


def test_want_dx_is_passed_only_to_functions_that_accept_it():
    seen = []

    @functools.wraps(lambda dy: dy)
    def wrapped(*arguments, **options):
        seen.append((arguments, options))

    call_backward(lambda dy, want_dx=True: seen.append(want_dx), 1, want_dx=False)
    call_backward(lambda dy, want_dx=True: seen.append(want_dx), 2)
    call_backward(lambda dy, **options: seen.append(options), 3, want_dx=False)
    call_backward(lambda dy, want_dx_too=0: seen.append(dy), 4, want_dx=False)
    call_backward(Back(seen), 5, want_dx=False)
    call_backward(Back(seen).method, 6, want_dx=False)
    call_backward(functools.partial(lambda seen, dy: seen.append(dy), seen), 7, want_dx=False)
    call_backward(wrapped, 8, want_dx=False)
    assert seen == [False, True, {"want_dx": False}, 4, 5, False, 7, ((8,), {})]


def test_forward_is_required():
    class Incomplete(nn.Layer):
        pass

    with pytest.raises(TypeError, match="forward"):
        Incomplete()


class Composite(nn.Layer):
    """Layer with an inner layer in an attribute, which it lists under the names given."""

    def __init__(self, inner, named=(), children=()):
        self.inner, self.named, self.described = inner, named, children

    def named_layers(self):
        return ((name, self.inner) for name in self.named)

    def children(self, shape):
        return ((name, self.inner, shape) for name in self.described)

    def output_shape(self, shape):
        return self.inner.output_shape(shape)

    def forward(self, x, train=True):
        return self.inner.forward(x, train)


@pytest.mark.parametrize(
    ("named", "children", "lists"),
    [
        ((), (), r"got \[\] and \[\] and attributes \['inner'\]"),
        (("inner",), (), r"got \['inner'\] and \[\] and attributes \['inner'\]"),
        ((), ("inner",), r"got \[\] and \['inner'\] and attributes \['inner'\]"),
    ],
)
def test_inner_layers_that_would_not_be_built_or_trained_are_refused(named, children, lists):
    model = nn.Sequential(nn.Identity(), Composite(nn.Sequential(nn.Dense(3)), named, children))
    with pytest.raises(TypeError, match=rf"Composite must list its inner layers in named_layers\(\) and .*, {lists}"):
        model.build((2,))
    assert not model[1].inner[0].is_built


def test_inner_layers_that_are_listed_are_built_and_trained():
    model = nn.Sequential(Composite(nn.Dense(3), ("inner",), ("inner",)))
    model.build((2,), rng=0)
    assert list(model.named_parameters()) == ["0.inner.w", "0.inner.b"]


@pytest.mark.parametrize("inner", [lambda: nn.Dense(3), lambda: nn.Sequential(nn.Dense(3))])
def test_a_built_layer_may_be_used_without_being_an_inner_layer(inner):
    layer = inner()
    layer.build((2,), rng=0)
    model = nn.Sequential(Composite(layer))
    model.build((2,), rng=1)
    assert model.named_parameters() == {}
    assert model(np.ones((1, 2), np.float32)).shape == (1, 3)
