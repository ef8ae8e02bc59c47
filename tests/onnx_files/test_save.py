"""Tests that ONNX files pass ONNX's checker and give the same outputs in other programs."""

import copy
import json

import numpy as np
import pytest

import refconv
from onnx_layers import LAYERS
from onnx_runtimes import RUNTIMES, disturb, relative_error, run
from refconv import models, nn
from refconv.models.sizes import SizedSequential

onnx = pytest.importorskip("onnx")
TOLERANCE = 1e-5  # relative to the largest output


def batch(shape, size=3):
    return np.random.default_rng(1).normal(size=(size, *shape)).astype(np.float32)


def saved(model, path, **options):
    refconv.onnx.save(model, path, **options)
    onnx.checker.check_model(path, full_check=True)
    return path.read_bytes()


def built(name):
    model, shape = copy.deepcopy(LAYERS[name])
    model.build(shape, rng=0)
    return disturb(model), shape


def operators(data):
    return [node.op_type for node in onnx.load_model_from_string(data).graph.node]


@pytest.mark.parametrize("runtime", ["ONNX Runtime", pytest.param("OpenVINO", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_gives_the_same_outputs_elsewhere(name, runtime, tmp_path):
    model, shape = built(name)
    data = saved(model, tmp_path / "model.onnx")
    for size in (3, 1):
        x = batch(shape, size)
        assert relative_error(run(runtime, data, x), model(x)) < TOLERANCE


def test_every_layer_class_is_tested():
    import refconv.onnx.writing.writer as writer

    classes = {type(inner) for model, _ in LAYERS.values() for inner in nn.layer.all_layers(model)}
    assert {*writer.RULES.functions} - {SizedSequential} <= classes  # the tests of all architectures contain this one
    public = {cls for cls in vars(nn).values() if isinstance(cls, type) and issubclass(cls, nn.Layer)} - {nn.Layer}
    assert public <= set(writer.RULES.functions)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", models.names())
def test_every_architecture_gives_the_same_outputs_elsewhere(name, runtime, tmp_path):
    model, shape = models.create(f"{name}-small"), models.input_shape(f"{name}-small")
    model.build(shape, rng=0)
    data = saved(disturb(model), tmp_path / "model.onnx")
    assert relative_error(run(runtime, data, x := batch(shape)), model(x)) < TOLERANCE


def test_a_network_is_transposed_once(tmp_path):
    model = models.create("resnet20-small")
    model.build((32, 32, 3), rng=0)
    assert operators(saved(model, tmp_path / "model.onnx")).count("Transpose") == 1
    assert "Transpose" not in operators(saved(model, tmp_path / "model.onnx", data_format="channels_first"))


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("outside", ["channels_last", "channels_first"])
def test_the_input_and_output_have_the_layout_asked_for(layout, outside, tmp_path):
    shape = (7, 8, 3) if layout == "channels_last" else (3, 7, 8)
    model = nn.Sequential(nn.Conv2D(4, 2, data_format=layout))
    model.build(shape, rng=0)
    data = saved(model, tmp_path / "model.onnx", data_format=outside)
    move = {("channels_last", "channels_first"): (-1, 1), ("channels_first", "channels_last"): (1, -1)}
    axes = move.get((layout, outside), (1, 1))
    x = batch(shape)
    expected = np.moveaxis(model(x), *axes)
    assert relative_error(run("ONNX Runtime", data, np.moveaxis(x, *axes)), expected) < TOLERANCE


def test_weights_have_the_names_of_the_parameters_and_shared_ones_are_stored_once(tmp_path):
    shared = nn.Conv2D(3, 3, padding="same")
    model = nn.Sequential(a=shared, block=nn.Sequential(norm=nn.BatchNorm()), b=shared)
    model.build((7, 8, 3), rng=0)
    graph = onnx.load_model_from_string(saved(model, tmp_path / "model.onnx")).graph
    norm = [f"block.norm.{name}" for name in ("gamma", "beta", "mean", "var")]
    assert [tensor.name for tensor in graph.initializer] == ["a.w", "a.b", *norm]


def test_a_float64_network_is_written_in_float32(tmp_path):
    model = nn.Sequential(nn.Conv2D(4, 3), nn.BatchNorm())
    model.build((7, 8, 2), rng=0, dtype=np.float64)
    data = saved(model, tmp_path / "model.onnx")
    assert relative_error(run("ONNX Runtime", data, x := batch((7, 8, 2))), model(x.astype(np.float64))) < TOLERANCE


def test_notes_are_metadata(tmp_path):
    model = nn.Sequential(nn.Dense(4))
    model.build((3,), rng=0)
    model.notes = {"classes": ["zero", "one"]}
    entries = onnx.load_model_from_string(saved(model, tmp_path / "model.onnx")).metadata_props
    metadata = {entry.key: entry.value for entry in entries}
    assert json.loads(metadata.pop("refconv")) == model.notes
    assert metadata == {"refconv_data_format": "channels_last"}
    with pytest.raises(TypeError, match="notes must be JSON-serialisable"):
        saved(model, tmp_path / "model.onnx", notes={"a": object()})


class Square(nn.Layer):
    """A layer that refconv.onnx does not know."""

    def forward(self, x, train=True):
        return x * x, lambda dy: 2 * x * dy


def test_a_layer_of_the_user_needs_a_function(tmp_path):
    import refconv.onnx.writing.writer as writer

    model = nn.Sequential(conv=nn.Conv2D(4, 3), inner=nn.Sequential(square=Square()))
    model.build((7, 8, 2), rng=0)
    path = tmp_path / "model.onnx"
    with pytest.raises(TypeError, match=r"got Square\(\) in inner\.square: register a function for Square with @refconv"):
        saved(model, path)
    assert not path.exists()
    try:
        refconv.onnx.register(Square)(lambda graph, layer, x: graph.elementwise("Mul", x, x))
        assert relative_error(run("ONNX Runtime", saved(model, path), x := batch((7, 8, 2))), model(x)) < TOLERANCE
        refconv.onnx.register(Square)(lambda graph, layer, x: x._replace(shape=(1,)))
        with pytest.raises(ValueError, match=r"registered for Square must return an output of shape \(5, 6, 4\), got \(1,\)"):
            saved(model, path)
    finally:
        writer.RULES.functions.pop(Square)


def test_a_subclass_with_its_own_forward_is_not_written_as_its_base_class(tmp_path):
    class Doubled(nn.ReLU):
        def forward(self, x, train=True):
            return 2 * x, lambda dy: 2 * dy

    class Renamed(nn.ReLU):
        pass

    for model, fits in ((Doubled(), False), (Renamed(), True)):
        model.build((3,), rng=0)
        if fits:
            assert operators(saved(model, tmp_path / "model.onnx")) == ["Relu"]
        else:
            with pytest.raises(TypeError, match="register a function for Doubled"):
                saved(model, tmp_path / "model.onnx")


def test_a_network_without_a_shape_or_without_weights_is_refused(tmp_path):
    dense = nn.Dense(4)
    with pytest.raises(RuntimeError, match="is not built"):
        refconv.onnx.save(nn.Sequential(dense), tmp_path / "model.onnx")
    with pytest.raises(TypeError, match="model must be a layer"):
        refconv.onnx.save("lenet", tmp_path / "model.onnx")
    dense.build((3,), rng=0)
    dense.input_shape = None
    with pytest.raises(ValueError, match="input_shape must be given"):
        refconv.onnx.save(nn.Sequential(dense), tmp_path / "model.onnx")
