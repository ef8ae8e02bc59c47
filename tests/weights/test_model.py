"""Models on disk: what comes back is what was saved, and nothing else is taken for a model."""

import json

import numpy as np
import pytest

from evidence import needs_kernels
from layer_evidence import assert_consecutive
from refconv import models, nn, weights
from refconv.geometry import Window
from refconv.weights.compare import settings
from safetensors_files import HEADER, as_safetensors, with_tensor

safetensors = pytest.importorskip("safetensors.numpy")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("style", ["modern", "paper"])
def test_a_model_comes_back_bit_for_bit(tmp_path, style, dtype):
    model = models.lenet(style, classes=7)
    model.build((32, 32, 1), rng=4, dtype=dtype)
    path = tmp_path / "deeper" / "model.safetensors"
    weights.save_model(path, model, name="lenet", arguments={"style": style, "classes": 7}, notes={"data": "none"})
    again, description = weights.load_model(path)
    expected = {"name": "lenet", "arguments": {"style": style, "classes": 7}, "notes": {"data": "none"}}
    assert description == {**expected, "input_shape": (32, 32, 1)}
    x = np.random.default_rng(0).standard_normal((2, 32, 32, 1)).astype(dtype)
    assert again(x).tobytes() == model(x).tobytes()
    assert_consecutive(again)


def test_other_programs_can_read_the_tensors(tmp_path):
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    weights.save_model(tmp_path / "m.safetensors", model, name="lenet")
    tensors = safetensors.load_file(tmp_path / "m.safetensors")
    assert tensors["conv2.w"].shape == (5, 5, 6, 16)
    assert (tensors["conv2.w"] == model.named_parameters()["conv2.w"].value).all()


def test_what_is_not_a_model_is_named_and_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileNotFoundError, match=r"there is no model .*m\.safetensors"):
        weights.load_model(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"m\.safetensors is not a safetensors file, or is damaged"):
        weights.load_model(path)
    safetensors.save_file({"w": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="holds tensors, but no description of a refconv model"):
        weights.load_model(path)
    description = json.dumps({"name": "lenet", "arguments": {}, "notes": {}})
    safetensors.save_file({"conv1.w": np.zeros((5, 5, 1, 6))}, path, {"refconv": description})
    with pytest.raises(ValueError, match="does not hold the weights of lenet: 150 numbers, not 61706"):
        weights.load_model(path)


def test_a_truncated_file_is_refused(tmp_path):
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    weights.save_model(tmp_path / "m.safetensors", model, name="lenet")
    content = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut\.safetensors is not a safetensors file, or is damaged"):
        weights.load_model(tmp_path / "cut.safetensors")


def test_a_network_that_is_not_built_cannot_be_saved(tmp_path):
    with pytest.raises(RuntimeError, match="has no parameters yet"):
        weights.save_model(tmp_path / "m.safetensors", models.lenet(), name="lenet")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------- types, and files that are damaged

THREE_STAGES = {"planes": (2, 3, 4)}


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("F8_E8M0", 8), *((f"F8_{kind}", 8) for kind in ("E4M3", "E5M2", "E4M3FNUZ"))],
)
def test_types_that_numpy_lacks_are_refused_with_file_tensor_and_type(tmp_path, dtype, bits):
    path = tmp_path / "quantised.safetensors"
    path.write_bytes(with_tensor(dtype, 8, bytes(bits)))
    # An earlier version of safetensors may not know the type itself.
    with pytest.raises(ValueError, match=rf"quantised\.safetensors .*{dtype}( in tensor conv1\.b; convert it to F32)?"):
        weights.load_model(path)


def test_bfloat16_and_float16_weights_are_loaded_as_float32(tmp_path):
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    header, data = dict(HEADER), b""
    for k, (name, p) in enumerate(model.named_parameters().items()):
        bits = p.value.view(np.uint32) & np.uint32(0xFFFF0000)
        p.value[...] = bits.view(np.float32)
        raw = (bits >> 16).astype("<u2").tobytes() if k % 2 else p.value.astype("<f4").tobytes()
        header[name] = {
            "dtype": "BF16" if k % 2 else "F32",
            "shape": p.value.shape,
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    (tmp_path / "m").write_bytes(as_safetensors(header, data))
    again, _ = weights.load_model(tmp_path / "m")
    x = np.random.default_rng(0).standard_normal((2, 32, 32, 1)).astype(np.float32)
    assert again(x).tobytes() == model(x).tobytes()


def described(description):
    return as_safetensors({"__metadata__": {"refconv": json.dumps(description)}})


FLOATS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
DAMAGED = {
    "empty": b"",
    "shorter than a length": b"1234567",
    "a page": b"<html>not found</html>",
    "a header longer than the file": (2**40).to_bytes(8, "little") + b"{}",
    "no JSON": as_safetensors(b"{{{{"),
    "no UTF-8": as_safetensors(b"\xff\xfe\xfd"),
    "a list": as_safetensors(b"[]"),
    "null": as_safetensors(b"null"),
    "no data": as_safetensors({**HEADER, "w": FLOATS}),
    "half of the data": as_safetensors({**HEADER, "w": FLOATS}, bytes(4)),
    "data that are too long": as_safetensors({**HEADER, "w": FLOATS}, bytes(12)),
    "a shape of another size": as_safetensors({**HEADER, "w": {**FLOATS, "shape": [3]}}, bytes(8)),
    "a shape without end": as_safetensors({**HEADER, "w": {**FLOATS, "shape": [2**62, 2**62]}}, bytes(8)),
    "an unknown type": as_safetensors({**HEADER, "w": {**FLOATS, "dtype": "F77"}}, bytes(8)),
    "no tensors": as_safetensors(HEADER),
    "integers": with_tensor("I32", 2, bytes(8)),
    "no description": as_safetensors({"w": FLOATS}, bytes(8)),
    "a description that is cut": as_safetensors({"__metadata__": {"refconv": "{"}}),
    "a description that is a list": described(["lenet"]),
    "a description without arguments": described({"name": "lenet"}),
    "an unknown network": described({"name": "lenet9", "arguments": {}}),
    "unknown arguments": described({"name": "lenet", "arguments": {"colour": 1}}),
    "infinite width": described({"name": "lenet", "arguments": {"width": 1e400}}),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_refused_by_its_name(tmp_path, case):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(DAMAGED[case])
    with pytest.raises(ValueError, match=r"damaged\.safetensors "):
        weights.load_model(path)


@pytest.mark.parametrize("shape", ["32", 32, [32, 32], [0, 32, 1], [32, 32, None], [10**9, 10**9, 1], [[1]]])
def test_a_recorded_input_shape_that_does_not_fit_is_refused_by_the_files_name(tmp_path, shape):
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    tensors = {name: p.value for name, p in model.named_parameters().items()}
    weights.write_tensors(tmp_path / "m", tensors, "refconv", {"name": "lenet", "arguments": {}, "input_shape": shape})
    with pytest.raises(ValueError, match=r"/m does not (describe a refconv model|hold the weights)"):
        weights.load_model(tmp_path / "m")


def test_a_folder_is_refused_by_its_name(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(ValueError, match=r"runs must be a safetensors file, got a folder"):
        weights.load_model(tmp_path / "runs")


# ------------------------------------------------------------------------- networks of other sizes

SIZES = {
    "lenet": ("lenet", {}, (28, 28, 1)),
    "lenet with colours": ("lenet", {"classes": 7}, (36, 30, 3)),
    "alexnet": ("alexnet-small", {"classes": 6}, (48, 40, 1)),
    "vgg": ("vgg-a-small", {"classes": 4, "width": 0.0625}, (64, 96, 2)),
    "zfnet": ("zfnet-small", {"width": 0.125}, (40, 44, 4)),
    "global pooling": ("resnet20-small", {"classes": 3}, (24, 20, 2)),
    "a neocognitron": ("neocognitron", {"planes": (2, 3, 4), "selectivity": (1.5, 2.0, 9.0)}, (16, 16, 2)),
}


@needs_kernels  # on the loops these forward passes would take minutes
@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_for_another_input_shape_comes_back(tmp_path, case, dtype):
    name, arguments, shape = SIZES[case]
    model = models.create(name, **arguments)
    model.build(shape, rng=3, dtype=dtype)
    weights.save_model(tmp_path / "m", model, name=name, arguments=arguments)
    again, description = weights.load_model(tmp_path / "m")
    assert description["input_shape"] == shape
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(dtype)
    assert again(x).tobytes() == model(x).tobytes()


def test_a_file_of_an_earlier_version_is_loaded(tmp_path):
    """Its description has no input shape: that of the architecture is meant, or the caller says which."""
    for shape, options in (((32, 32, 1), {}), ((28, 30, 1), {"input_shape": (28, 30, 1)})):
        model = models.lenet(width=0.5)
        model.build(shape, rng=4)
        tensors = {name: p.value for name, p in model.named_parameters().items()}
        description = {"name": "lenet-small", "arguments": {}, "notes": {}}
        weights.write_tensors(tmp_path / "m", tensors, "refconv", description)
        again, found = weights.load_model(tmp_path / "m", **options)
        assert found == {**description, "input_shape": shape}
        assert (again.layers["dense1"].parameters["w"].value == model.layers["dense1"].parameters["w"].value).all()
    with pytest.raises(ValueError, match=r"/m does not hold the weights of lenet-small: .* for inputs of shape \(32, 32, 1\)"):
        weights.load_model(tmp_path / "m")


def other_strides():
    return models.create("resnet50", width=0.0625, small_images=True)


def retrained():
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    return nn.replace_layer(model, "scores", nn.Dense(3), (32, 32, 1), rng=1)


def mixed():
    model = models.lenet()
    model.build((32, 32, 1), rng=4)
    model["conv2"].parameters["w"].replace_array(model["conv2"].parameters["w"].value.astype(np.float64))
    return model


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (
            lambda: models.lenet("paper"),
            {"name": "lenet"},
            r"model must be what models.create\('lenet'\) builds .* got differ",
        ),
        (lambda: models.lenet(classes=3), {"name": "lenet"}, "got differences in scores.w, scores.b; pass the name"),
        (models.lenet, {"name": "lenet", "input_shape": (28, 28, 1)}, r"of shape \(28, 28, 1\), got differences in dense1.w"),
        (models.lenet, {"name": "lenet-small"}, r"models.create\('lenet-small'\)"),
        (models.lenet, {"name": "lennet"}, "name must be one of"),
        (models.lenet, {"name": "lenet", "arguments": {"colour": 2}}, "lenet takes"),
        (
            models.lenet,
            {"name": "lenet", "arguments": {"classes": {3}}},
            "arguments and notes must be JSON-serialisable, got .3.",
        ),
        (models.lenet, {"name": "lenet", "notes": {"rng": object}}, "arguments and notes must be JSON-serialisable, got"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Dense(3)), {"name": "lenet"}, "got differences in conv1.w"),
        (other_strides, {"name": "resnet50", "arguments": {"width": 0.0625}}, "got differences in "),
        (retrained, {"name": "lenet"}, "got differences in scores.w, scores.b"),
        (mixed, {"name": "lenet"}, r"model must have parameters of one type, got \['float32', 'float64'\]"),
    ],
)
def test_what_could_not_be_loaded_is_refused_when_it_is_saved(tmp_path, make, options, message):
    model = make()
    if not model.is_built:
        model.build((32, 32, 3 if make is other_strides else 1), rng=2)
    with pytest.raises((TypeError, ValueError), match=message):
        weights.save_model(tmp_path / "m", model, **options)
    assert not list(tmp_path.iterdir())


def test_a_network_put_together_from_built_layers_is_saved_with_its_arguments(tmp_path):
    model = retrained()
    weights.save_model(tmp_path / "m", model, name="lenet", arguments={"classes": 3})
    again, _ = weights.load_model(tmp_path / "m")
    assert (again.layers["scores"].parameters["w"].value == model.layers["scores"].parameters["w"].value).all()


def built(name, shape, **arguments):
    model = models.create(name, **arguments)
    model.build(shape, rng=4)
    return model


def layers_of(model, kind):
    return [layer for _, layer, _ in model.distinct_layers(model.input_shape) if isinstance(layer, kind)]


TRAINING_SETTINGS = {  # network, input shape, arguments, layer, attribute, another value
    "momentum": ("resnet20-small", (24, 20, 2), {"classes": 3}, nn.BatchNorm, "momentum", 0.75),
    "dropout": ("alexnet-small", (48, 40, 1), {"classes": 6}, nn.Dropout, "rate", 0.25),
    "seed": ("alexnet-small", (48, 40, 1), {"classes": 6}, nn.Dropout, "seed", 5),
    "drop": ("fractalnet20-small", (32, 32, 3), {}, nn.Fractal, "drop", 0.5),
    "share": ("fractalnet20-small", (32, 32, 3), {}, nn.DropPath, "share", 0.75),
}


@needs_kernels
@pytest.mark.parametrize("case", TRAINING_SETTINGS)
def test_a_setting_without_effect_in_inference_is_saved_with_a_warning_that_names_it(tmp_path, case):
    name, shape, arguments, kind, setting, value = TRAINING_SETTINGS[case]
    model = built(name, shape, **arguments)
    layer = layers_of(model, kind)[-1]
    before = getattr(layer, setting)
    setattr(layer, setting, value)
    with pytest.warns(UserWarning, match=rf"{setting} \({value}, there {before}\); load_model builds the latter") as caught:
        weights.save_model(tmp_path / "m", model, name=name, arguments=arguments)
    assert (len(caught), caught[0].filename) == (1, __file__)
    again, _ = weights.load_model(tmp_path / "m")
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    assert again(x).tobytes() == model(x).tobytes()


INFERENCE_SETTINGS = {
    "eps": ("resnet20-small", (24, 20, 2), {"classes": 3}, nn.BatchNorm, "eps", 1e-2),
    "survival": ("stochastic-depth110-small", (32, 32, 3), {}, nn.StochasticDepth, "survival", 0.5),
    "saturation": ("neocognitron", (16, 16, 2), THREE_STAGES, models.CCells, "saturation", 0.75),
    "selectivity in its last digits": (
        "neocognitron",
        (16, 16, 2),
        {"planes": (2, 3, 4)},
        models.SCells,
        "selectivity",
        1 + 1e-8,
    ),
    "window": ("lenet", (32, 32, 1), {}, nn.MaxPool2D, "window", Window((3, 3), 2)),
}


@pytest.mark.parametrize("case", INFERENCE_SETTINGS)
def test_a_setting_with_an_effect_in_inference_is_refused_by_its_name(tmp_path, case):
    name, shape, arguments, kind, setting, value = INFERENCE_SETTINGS[case]
    model = built(name, shape, **arguments)
    setattr(layers_of(model, kind)[0], setting, value)
    with pytest.raises(ValueError, match=rf"got differences in .*\.{setting};"):
        weights.save_model(tmp_path / "m", model, name=name, arguments=arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_two_networks_of_one_description_have_the_same_settings(name):
    shape = models.input_shape(name)
    for training in (False, True):
        first, second = (settings(models.create(name), shape, training) for _ in range(2))
        assert first == second
