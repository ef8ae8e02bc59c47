"""Tests of saving arguments and settings of layers as data, and of refusing other values."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest

import refconv
from refconv import models, nn
from refconv.geometry import Window
from refconv.nn.recording import NotData
from refconv.weights.names import RENAMED, Known, class_name


class Kept(nn.Identity):
    """Layer that stores its arguments."""

    def __init__(self, *positional, **named):
        self.positional, self.named = positional, named


class Holding(Kept):
    """Layer with two different inner layers, its second argument and the argument ``again``."""

    def named_layers(self):
        yield from {"first": self.positional[1], "second": self.named["again"]}.items()

    def children(self, shape):
        return ((name, layer, shape) for name, layer in self.named_layers())


class Consumed(nn.Identity):
    def __init__(self, positional):
        self.total = sum(positional)


def built(layer, shape=(2,)):
    layer.build(shape, rng=1)
    return layer


def without_address(value):
    return repr(value).partition(" at 0x")[0]


def saved_and_loaded(model, folder, **options):
    model.save(folder / "m")
    return refconv.load(folder / "m", **options)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 7, -(2**70), 0.1, math.inf, "same", "grüß \N{GREEK SMALL LETTER THETA}\n"),
        *([], (), {}, [1, [2, (3, "x")]], ((1, 2), (0, 3)), {"a": 1, "b": {"c": (2,)}}, {3: "x", (1, 2): None}),
        *(range(3, 11, 2), Fraction(2, 7), np.float32(0.1), np.float64(0.1), np.int64(-3), np.uint8(7), np.bool_(True)),
        *(Window((3, 5), (2, 1), ((1, 0), (2, 2)), 3), nn.he_normal, nn.ones, nn.Tanh, models.CCells),
        {"layer": "code", "tuple": [1]},
    ],
    ids=without_address,
)
def test_every_kind_of_argument_is_saved_and_loaded(tmp_path, value):
    layer = saved_and_loaded(built(Kept(value, named=value)), tmp_path)
    for loaded in (layer.positional[0], layer.named["named"]):
        assert (type(loaded), loaded) == (type(value), value)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0, 3), (3, 2)])
def test_arrays_are_loaded_with_their_dtype_and_shape(tmp_path, dtype, shape):
    table = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    layer = saved_and_loaded(built(Kept([table, table + table])), tmp_path)
    for loaded, expected in zip(layer.positional[0], (table, table + table), strict=True):
        assert (loaded.dtype, loaded.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(loaded, expected)


def test_a_function_with_bound_arguments_is_saved_and_loaded(tmp_path):
    layer = saved_and_loaded(built(nn.Dense(3, initializer=functools.partial(nn.he_normal, fan_in=7))), tmp_path)
    assert (layer.initializer.func, layer.initializer.keywords) == (nn.he_normal, {"fan_in": 7})


@pytest.mark.parametrize("wrapped", [lambda a, b: (a, b), lambda a, b: [a, [b]], lambda a, b: {"x": a, 2: (b,)}])
def test_layers_inside_arguments_are_loaded_and_remain_shared(tmp_path, wrapped):
    a, b = nn.Dense(3), nn.Dense(5, bias=False)
    layer = saved_and_loaded(built(Holding(wrapped(a, nn.Sequential(b, a)), a, again=b)), tmp_path)
    expected = wrapped(layer.positional[1], layer.positional[0])
    first, second = {
        tuple: lambda t: t,
        list: lambda t: (t[0], t[1][0]),
        dict: lambda t: (t["x"], t[2][0]),
    }[type(expected)](layer.positional[0])
    assert (first.units, first) == (3, layer.positional[1])
    assert (second.layers["0"], second.layers["1"]) == (layer.named["again"], first)


def nested(rng, shape):
    return np.zeros(shape)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (lambda rng, shape: np.zeros(shape), "<function <lambda>"),
        ((n for n in (1, 2)), "<generator object"),
        (np.random.default_rng(0), "Generator"),
        ({1, 2}, r"\{1, 2\}"),
        (2j, "2j"),
        (np.zeros, "<built-in function zeros>"),
        (np.sin, "<ufunc 'sin'>"),
        (nn.Dense(3).build, "<bound method"),
        (int, "<class 'int'>"),
        (object(), "<object object"),
        (np.array([object()]), "an array of object"),
        (np.zeros(2, np.complex64), "an array of complex64"),
        (np.longdouble(2), ".*2"),
        ([(1, {"x": {3}})], r"\{3\}"),
    ],
    ids=without_address,
)
def test_the_error_about_an_argument_that_is_not_data_names_layer_and_argument(tmp_path, value, shown):
    for layer, name in ((Kept(7, value), "argument 2"), (Kept(first=7, second=value), "argument second")):
        model = built(nn.Sequential(nn.Dense(3), nn.Sequential(inner=layer)))
        with pytest.raises(refconv.ArgumentError, match=rf"{name} of Kept must be .*, got {shown}"):
            model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_nested_function_is_refused_by_its_name(tmp_path):
    def inner(rng, shape):
        return np.zeros(shape)

    with pytest.raises(TypeError, match=r"argument initializer of Conv2D must be a function at .* got <function .*inner"):
        built(nn.Conv2D(3, 2, initializer=inner), (7, 8, 2)).save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"layers=\[nested\]"):
        saved_and_loaded(built(nn.Dense(3, initializer=nested)), tmp_path)
    assert refconv.load(tmp_path / "m", layers=[nested]).initializer is nested


def test_an_iterator_that_the_constructor_exhausts_is_refused(tmp_path):
    model = built(Consumed(iter([1, 2])))
    assert isinstance(model.constructor_arguments().positional[0], NotData)
    with pytest.raises(TypeError, match=r"argument 1 of Consumed must be .*, got <list_iterator"):
        model.save(tmp_path / "m")


# ------------------------------------------------------------------------- settings that were changed after construction


def test_settings_that_were_changed_after_construction_are_saved(tmp_path):
    model = nn.Sequential(norm=nn.BatchNorm(), drop=nn.Dropout(0.5), inner=nn.Sequential(nn.ELU(), nn.Dense(4)))
    built(model, (3,))
    model.layers["norm"].momentum = 0.75
    model.layers["norm"].eps = Fraction(1, 128)
    model.layers["drop"].rate = 0.25
    model.layers["inner"].layers["0"].alpha = np.float32(0.3)
    model.layers["inner"].layers["1"].label = {"stage": (1, 2)}  # the constructor does not set this attribute
    other = saved_and_loaded(model, tmp_path)
    assert (other.layers["norm"].momentum, other.layers["norm"].eps) == (0.75, Fraction(1, 128))
    assert other.layers["drop"].rate == 0.25
    assert other.layers["inner"].layers["0"].alpha == np.float32(0.3)
    assert other.layers["inner"].layers["1"].label == {"stage": (1, 2)}
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_array_equal(other(x), model(x))


def test_a_changed_window_determines_the_shapes_of_the_loaded_network(tmp_path):
    model = nn.Sequential(nn.MaxPool2D(2), nn.Flatten(), nn.Dense(3))
    model.layers["0"].window = Window((3, 3), 2)
    model.layers["0"].arguments["stride"] = (2, 2)
    built(model, (9, 8, 2))
    other = saved_and_loaded(model, tmp_path)
    x = np.random.default_rng(0).standard_normal((5, 9, 8, 2)).astype(np.float32)
    np.testing.assert_array_equal(other(x), model(x))


def test_unchanged_settings_are_not_saved(tmp_path):
    for name in ("resnet20-small", "fractalnet20-small", "neocognitron-small"):
        built(models.create(name), models.input_shape(name)).save(tmp_path / "m")
        assert refconv.weights.read_tensors(tmp_path / "m", "refconv")[1]["architecture"]["settings"] == {}


def test_an_array_in_an_attribute_is_saved_if_it_was_changed(tmp_path):
    model = built(nn.Sequential(Kept(np.array([2, 5]))))
    model.layers["0"].positional[0][1] = 7
    model.layers["0"].seen = np.array([[0.5, 3.0]])
    other = saved_and_loaded(model, tmp_path)
    assert other.layers["0"].positional[0].tolist() == [2, 7]
    assert other.layers["0"].seen.tolist() == [[0.5, 3.0]]


def test_a_function_that_was_replaced_after_construction_is_refused(tmp_path):
    model = built(nn.Sequential(first=nn.Dense(3)))
    model.layers["first"].forward = lambda x, train=True: (x, None)
    with pytest.raises(
        TypeError, match=r"forward of Dense first must be the function set by the constructor, got <function .*lambda"
    ):
        model.save(tmp_path / "m")


def test_a_function_that_the_constructor_creates_does_not_count_as_a_change(tmp_path):
    class Made(nn.Identity):
        def __init__(self, factor):
            self.multiply = lambda x: factor * x

    assert saved_and_loaded(built(Made(3)), tmp_path).multiply(5) == 15


def test_a_layer_that_was_replaced_is_saved(tmp_path):
    model = nn.Sequential(a=nn.Dense(4), b=nn.Dense(3))
    model.layers["b"] = nn.Sequential(nn.Tanh(), nn.Dense(5))
    other = saved_and_loaded(built(model), tmp_path)
    assert repr(other) == repr(model)


def test_layers_that_the_constructor_does_not_create_are_refused(tmp_path):
    class Fixed(nn.Sequential):
        def __init__(self, units):
            super().__init__(first=nn.Dense(units), second=nn.ReLU())

    model = Fixed(3)
    model.layers["second"] = nn.Tanh()
    message = "layer second must be ReLU, as constructed by Fixed, got Tanh; pass all layers to the constructor"
    with pytest.raises(ValueError, match=message):
        built(model).save(tmp_path / "m")
    del model.layers["second"]
    with pytest.raises(ValueError, match="layer second must be ReLU, as constructed by Fixed, got NoneType"):
        model.save(tmp_path / "m")


def test_a_constructor_that_does_not_accept_its_arguments_again_is_refused(tmp_path):
    class Once(nn.Identity):
        made = 0

        def __init__(self, name):
            Once.made += 1
            if Once.made > 1:
                raise KeyError(f"{name} is taken")

    with pytest.raises(ValueError, match=r"model must be constructible from its .*, got KeyError: 'first is taken'"):
        built(Once("first")).save(tmp_path / "m")


def test_names_of_classes_that_moved_are_found():
    names = Known()
    assert names.layer_class("refconv.onnx.layers.graph.Graph") is nn.Graph
    for old, new in RENAMED.items():
        assert f"{names.layer_class(old).__name__}" == new.rpartition(".")[2]
        assert class_name(names.layer_class(old)) == new
