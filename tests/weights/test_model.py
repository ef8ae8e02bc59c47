"""Tests that loaded models equal saved ones, for models of refconv and users' networks."""

import json

import numpy as np
import pytest

import refconv
from evidence import needs_kernels
from layer_evidence import assert_consecutive
from refconv import models, nn, weights
from refconv.nn.building import all_layers
from refconv.weights.architecture import Architecture, describe
from refconv.weights.names import Known


def built(model, shape, dtype=np.float32, rng=4):
    model.build(shape, rng=rng, dtype=dtype)
    return model


def saved_and_loaded(model, folder, **options):
    model.save(folder / "m.safetensors")
    return refconv.load(folder / "m.safetensors", **options)


def assert_same_inference(model, loaded, shape, dtype=np.float32):
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(dtype)
    assert loaded(x).tobytes() == model(x).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("style", ["modern", "paper"])
def test_a_loaded_model_computes_the_same_bits(tmp_path, style, dtype):
    model = built(models.lenet(style, classes=7), (32, 32, 1), dtype)
    path = tmp_path / "deeper" / "model.safetensors"
    model.save(path, notes={"data": "none", "errors": np.array([3, 5])})
    loaded = refconv.load(path)
    assert (loaded.input_shape, loaded.notes) == ((32, 32, 1), {"data": "none", "errors": [3, 5]})
    assert repr(loaded) == repr(model)
    assert_same_inference(model, loaded, (32, 32, 1), dtype)
    assert_consecutive(loaded)


def test_notes_of_a_loaded_model_are_saved_again(tmp_path):
    model = built(nn.Sequential(nn.Dense(3)), (2,))
    assert dict(model.notes) == {}
    model.save(tmp_path / "m", notes={"epoch": 7})
    loaded = refconv.load(tmp_path / "m")
    assert saved_and_loaded(loaded, tmp_path).notes == {"epoch": 7}
    loaded.save(tmp_path / "m", notes={})
    assert refconv.load(tmp_path / "m").notes == {}


def test_other_programs_can_read_the_tensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model = built(models.lenet(), (32, 32, 1))
    model.save(tmp_path / "m.safetensors")
    tensors = safetensors.load_file(tmp_path / "m.safetensors")
    assert tensors.keys() == model.named_parameters().keys()
    for name, parameter in model.named_parameters().items():
        np.testing.assert_array_equal(tensors[name], parameter.value)


def test_an_existing_file_is_kept_if_saving_fails(tmp_path):
    model = built(nn.Sequential(nn.Dense(3)), (2,))
    model.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    with pytest.raises(TypeError, match=r"notes must be JSON-serialisable, got <class 'object'>"):
        model.save(tmp_path / "m", notes={"rng": object})
    model.named_parameters()["0.w"].value[...] = 1
    assert (tmp_path / "m").read_bytes() == before


@pytest.mark.parametrize("model", [models.lenet(), nn.Dense(3)])
def test_a_network_that_is_not_built_cannot_be_saved(tmp_path, model):
    with pytest.raises(RuntimeError, match="has no parameters yet"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------- architectures of refconv

SIZES = {
    "lenet": ("lenet", {}, (28, 28, 1)),
    "lenet with colours": ("lenet", {"classes": 7}, (36, 30, 3)),
    "alexnet": ("alexnet-small", {"classes": 6}, (48, 40, 1)),
    "vgg": ("vgg-a-small", {"classes": 4, "width": 0.0625}, (64, 96, 2)),
    "zfnet": ("zfnet-small", {"width": 0.125}, (40, 44, 4)),
    "global pooling": ("resnet20-small", {"classes": 3}, (24, 20, 2)),
    "a neocognitron": ("neocognitron", {"planes": (2, 3, 4), "selectivity": (1.5, 2.0, 9.0)}, (16, 16, 2)),
    "a fractal": ("fractalnet20-small", {"columns": 2, "classes": 3}, (32, 64, 2)),
    "a U-Net": ("unet-same-small", {"depth": 2}, (12, 20, 3)),
}


# One network of each family. The others are tested in the slow lane.
FAMILIES = {
    "lenet",
    "alexnet",
    "vgg-a-lrn",
    "googlenet",
    "resnet20",
    "stochastic-depth110",
    "fractalnet20",
    "unet",
    "mobilenet",
}


def with_slow_ones_marked(names):
    return [name if name in FAMILIES else pytest.param(name, marks=pytest.mark.slow) for name in names]


@needs_kernels  # on the loops, these forward passes would take minutes
@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_for_another_input_shape_is_saved_and_loaded(tmp_path, case, dtype):
    name, arguments, shape = SIZES[case]
    model = built(models.create(name, **arguments), shape, dtype)
    loaded = saved_and_loaded(model, tmp_path)
    assert loaded.input_shape == shape
    assert_same_inference(model, loaded, shape, dtype)


@needs_kernels
@pytest.mark.parametrize("name", with_slow_ones_marked(models.names()))
def test_every_small_architecture_is_saved_and_loaded(tmp_path, name):
    shape = models.input_shape(f"{name}-small")
    model = built(models.create(f"{name}-small"), shape)
    for k, parameter in enumerate(model.named_parameters().values()):
        parameter.frozen = k % 3 == 0
    loaded = saved_and_loaded(model, tmp_path)
    assert_same_inference(model, loaded, shape)
    frozen = [[name for name, p in network.named_parameters().items() if p.frozen] for network in (model, loaded)]
    assert frozen[0] == frozen[1]


@pytest.mark.parametrize("name", with_slow_ones_marked(models.names()))
def test_every_architecture_is_described_by_data_and_restored_from_them(name):
    model, shape = models.create(name), models.input_shape(name)
    description, arrays = describe(model)
    assert not arrays
    loaded = Architecture(json.loads(json.dumps(description)), {}, Known()).model
    assert repr(loaded) == repr(model)
    assert loaded.count_parameters(shape) == model.count_parameters(shape)
    assert describe(loaded) == (description, {})


# ------------------------------------------------------------------------- users' networks


class Scale(nn.Layer):
    """Layer that multiplies each channel by a power of its factor."""

    def __init__(self, power=1, *, first=nn.ones):
        self.power, self.first = float(power), first

    def output_shape(self, shape):
        return shape

    def specs(self, shape):
        return {"s": nn.Spec(shape[-1:], self.first)}

    def forward(self, x, train=True):
        s = self.parameters["s"]
        return x * s.value**self.power, lambda dy: dy * s.value**self.power


class Net(nn.Sequential):
    """Network whose constructor has other arguments than its base class."""

    def __init__(self, units, *, activation=nn.ReLU):
        super().__init__(dense=nn.Dense(units), activation=activation(), scores=nn.Dense(3))


def halves(rng, shape):
    return np.full(shape, 0.5)


def test_a_sequence_of_any_layers_is_saved_and_loaded(tmp_path):
    model = nn.Sequential(
        nn.Pad2D(((1, 0), (2, 1)), mode="reflect"),
        conv=nn.Conv2D(6, (3, 2), stride=(2, 1), groups=2, initializer=nn.glorot_uniform),
        norm=nn.BatchNorm(momentum=0.9, eps=1e-4),
        both=nn.Concat(nn.Identity(), nn.SeparableConv2D(4, 3, 2, padding="same"), axis=-1),
        dropped=nn.StochasticDepth(nn.Dropout(0.3), survival=0.75),
        pool=nn.AvgPool2D((2, 3), count_include_pad=True),
        select=nn.Select([7, 2, 4]),
        up=nn.ConvTranspose2D(2, (2, 3), stride=2, output_padding=(1, 0)),
    )
    built(model, (9, 8, 4))
    loaded = saved_and_loaded(model, tmp_path)
    assert repr(loaded) == repr(model)
    assert_same_inference(model, loaded, (9, 8, 4))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_users_layers_and_networks_are_saved_and_loaded_without_extra_code(tmp_path, dtype):
    model = built(nn.Sequential(scale=Scale(2, first=halves), net=Net(5, activation=nn.Tanh)), (4,), dtype)
    model.named_parameters()["scale.s"].value[...] = [2, 3, 5, 7]
    loaded = saved_and_loaded(model, tmp_path, layers=[halves])
    assert isinstance(loaded.layers["net"], Net)
    assert isinstance(loaded.layers["net"].layers["activation"], nn.Tanh)
    assert loaded.layers["scale"].first is halves
    assert_same_inference(model, loaded, (4,), dtype)


def test_a_class_that_the_program_does_not_define_must_be_passed(tmp_path):
    class Undefined(Scale):
        pass

    model = built(nn.Sequential(Undefined(3)), (4,))
    model.save(tmp_path / "m")
    Undefined.__module__ = "another_program"  # the name in the file then refers to no class
    with pytest.raises(ValueError, match=r"layer class .*Undefined is not defined in this program; .*=\[Undefined\]"):
        refconv.load(tmp_path / "m")
    loaded = refconv.load(tmp_path / "m", layers=[Undefined])
    assert type(loaded.layers["0"]) is Undefined
    assert_same_inference(model, loaded, (4,))


def test_a_function_of_another_module_must_be_passed(tmp_path):
    built(nn.Sequential(Scale(first=halves)), (4,)).save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"function .*halves is not in refconv or in the main program; .*=\[halves\]"):
        refconv.load(tmp_path / "m")


@pytest.mark.parametrize("layers", [[3], ["Scale"], [Scale()], [int]])
def test_layers_that_are_not_classes_or_functions_are_refused(tmp_path, layers):
    built(nn.Sequential(Scale()), (4,)).save(tmp_path / "m")
    with pytest.raises(TypeError, match="layers must contain layer classes or functions, got"):
        refconv.load(tmp_path / "m", layers=layers)


def test_the_latest_definition_of_a_class_is_used(tmp_path):
    def define(factor):
        class Redefined(Scale):
            def forward(self, x, train=True):
                return factor * x, lambda dy: factor * dy

        return Redefined

    classes = [define(3)]
    built(nn.Sequential(classes[0]()), (4,)).save(tmp_path / "m")
    classes.append(define(5))  # like a notebook cell that is run again
    assert refconv.load(tmp_path / "m")(np.ones((1, 4), np.float32)).tolist() == [[5, 5, 5, 5]]


def test_shared_layers_are_shared_in_the_loaded_model(tmp_path):
    shared, block = nn.Dense(4), nn.Sequential(Scale())
    model = nn.Sequential(shared, block, both=nn.Sum(shared, nn.Sequential(inner=block)), heads=nn.Sequential([shared, block]))
    built(model, (4,))
    loaded = saved_and_loaded(model, tmp_path)
    assert list(loaded.named_parameters()) == ["0.w", "0.b", "1.0.s"]
    layers = loaded.layers
    assert layers["0"] is layers["both"].layers["0"] is layers["heads"].layers["0"]
    assert layers["1"] is layers["both"].layers["1"].layers["inner"] is layers["heads"].layers["1"]
    assert_same_inference(model, loaded, (4,))


def test_frozen_layers_are_frozen_in_the_loaded_model(tmp_path):
    model = nn.Sequential(features=nn.Sequential(nn.Dense(4), nn.BatchNorm(), nn.Dropout(0.5)), scores=nn.Dense(3))
    built(model, (2,))
    model.layers["features"].freeze()
    loaded = saved_and_loaded(model, tmp_path)
    assert [layer.frozen for layer in all_layers(loaded)] == [False, True, True, True, True, False]
    assert [name for name, p in loaded.named_parameters().items() if p.trainable] == ["scores.w", "scores.b"]
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    np.testing.assert_array_equal(loaded.forward(x)[0], model(x))
    loaded.unfreeze()
    assert not [layer for layer in all_layers(saved_and_loaded(loaded, tmp_path)) if layer.frozen]
    _, description = weights.read_tensors(tmp_path / "m.safetensors", "refconv")
    assert description["architecture"]["settings"] == {}


def test_generators_of_a_loaded_model_are_seeded(tmp_path):
    model = built(nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5, seed=3)), (6,))
    model.save(tmp_path / "m")
    x = np.ones((5, 6), np.float32)
    first, second = (refconv.load(tmp_path / "m").forward(x)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_network_of_built_layers_is_saved_with_the_input_shape_of_its_first_layer(tmp_path):
    model = built(models.lenet(width=0.2), (28, 32, 1))
    features, scores = model.cut("relu4").freeze(), built(nn.Dense(3), (17,))
    for network in (
        nn.Sequential(features=features, scores=scores),
        nn.replace_layer(model, "scores", nn.Dense(4), (28, 32, 1), rng=1),
        model[:3],
        nn.Sum(model[:2], nn.Sequential([model[:2]])),
    ):
        loaded = saved_and_loaded(network, tmp_path)
        assert loaded.input_shape == (28, 32, 1)
        assert_same_inference(network, loaded, (28, 32, 1))


def test_the_input_shape_can_be_given(tmp_path):
    model = built(nn.Sequential(a=nn.Dense(4), b=nn.Dense(3)), (2,))
    part = nn.Sequential(model.layers["b"])
    model.layers["b"].input_shape = None
    with pytest.raises(
        ValueError, match="input_shape must be given if build was not called on the Sequential itself, got None"
    ):
        part.save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"\(5,\), got 1 of another shape or type \(0.w: \(4, 3\) float32, expected \(5, 3\)"):
        part.save(tmp_path / "m", input_shape=(5,))
    assert not list(tmp_path.iterdir())
    part.save(tmp_path / "m", input_shape=(4,))
    loaded = refconv.load(tmp_path / "m")
    assert loaded.input_shape == (4,)
    assert_same_inference(part, loaded, (4,))


def test_a_fully_convolutional_network_can_be_loaded_for_another_size(tmp_path):
    built(nn.Sequential(nn.Conv2D(3, (2, 3))), (7, 8, 2)).save(tmp_path / "m")
    loaded = refconv.load(tmp_path / "m", input_shape=(9, 6, 2))
    assert loaded.input_shape == (9, 6, 2)
    with pytest.raises(ValueError, match=r"must fit inputs of shape \(9, 6, 5\)"):
        refconv.load(tmp_path / "m", input_shape=(9, 6, 5))


def test_parameters_of_two_dtypes_are_refused(tmp_path):
    model = built(models.lenet(), (32, 32, 1))
    w = model.layers["conv2"].parameters["w"]
    w.replace_array(w.value.astype(np.float64))
    with pytest.raises(ValueError, match=r"weights must all be float32 or all float64, got float32, float64"):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_layer_that_makes_its_own_parameters_and_state_is_saved_and_loaded(tmp_path):
    class Tied(nn.Identity):
        def make(self, shape, rng, dtype):
            self.w, self.steps = np.ones(shape, dtype), 0
            self.parameters = {"a": nn.Parameter(self.w), "b": nn.Parameter(self.w)}

    model = built(Tied(), (3,))
    model.w[...], model.steps = [2, 3, 5], 7
    loaded = saved_and_loaded(model, tmp_path)
    assert loaded.parameters["a"].value is loaded.parameters["b"].value is loaded.w
    assert (loaded.w.tolist(), loaded.steps) == ([2, 3, 5], 7)


def test_the_file_contains_the_architecture_as_data(tmp_path):
    built(nn.Sequential(nn.Flatten(), scores=nn.Dense(3, bias=False)), (2, 5)).save(tmp_path / "m", notes={"seed": 1})
    tensors, description = weights.read_tensors(tmp_path / "m", "refconv")
    assert list(tensors) == ["scores.w"]
    layers = {
        "0": {"layer": "refconv.nn.Flatten"},
        "scores": {"layer": "refconv.nn.Dense", "arguments": [3], "named": {"bias": False}},
    }
    assert description == {
        "format": 2,
        "architecture": {"model": {"layer": "refconv.nn.Sequential", "arguments": [{"dict": layers}]}, "settings": {}},
        "input_shape": [2, 5],
        "frozen": [],
        "notes": {"seed": 1},
    }
