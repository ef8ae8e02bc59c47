"""Tests, without PyTorch, of reading and writing its weights."""

import json
import pickle
import sys

import numpy as np
import pytest

from refconv import models, nn, weights
from refconv._optional import MissingPackage
from refconv.models.torchvision import TORCHVISION
from refconv.nn.parameter import MANY
from refconv.weights.pytorch import keyed_entries
from refconv.weights.safetensors import write_safetensors
from safetensors_files import as_safetensors


def numbered(shape, dtype=np.float32):
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def state_of(model, shape, dtype=np.float32, names=None):
    """Return a state dict with distinct numbers for a network, which need not be built."""
    entries = keyed_entries(model, shape, names)
    return {key: numbered(entry.shape, np.int64 if entry.spec.counter else dtype) for key, entry in entries.items()}


def loaded(model, state, shape):
    assert weights.from_torch(model, state, input_shape=shape) == ([], [])
    return {name: parameter.value for name, parameter in model.named_parameters().items()}


LAYERS = {
    "Conv2D": (nn.Conv2D(7, (3, 5), groups=1), (6, 8, 2), "w", (7, 2, 3, 5), "oc..->..co"),
    "grouped Conv2D": (nn.Conv2D(6, (3, 5), groups=2), (6, 8, 4), "w", (6, 2, 3, 5), "oc..->..co"),
    "Conv1D": (nn.Conv1D(7, 3), (6, 2), "w", (7, 2, 3), "oc..->..co"),
    "ConvTranspose2D": (nn.ConvTranspose2D(6, (3, 5), groups=2), (4, 8, 10), "w", (10, 3, 3, 5), "co..->..oc"),
    "Dense": (nn.Dense(7), (5,), "w", (7, 5), "oc->co"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_kernel_has_its_channels_last_and_keeps_its_window(name):
    layer, shape, parameter, torch_shape, _ = LAYERS[name]
    state = {"weight": numbered(torch_shape), "bias": numbered((layer.units if name == "Dense" else layer.filters,))}
    values = loaded(layer, state, shape)
    for o, c, *window in np.ndindex(torch_shape):
        assert values[parameter][(*window, c, o)] == state["weight"][(o, c, *window)]
    assert (values["b"] == state["bias"]).all()


def test_a_depthwise_kernel_has_its_multiples_next_to_each_other():
    layer = nn.Sequential(nn.DepthwiseConv2D((3, 5), 2), nn.SeparableConv2D(7, (2, 3), 3))
    state = state_of(layer, (6, 9, 4))
    assert {key: array.shape for key, array in state.items()} == {
        "0.weight": (8, 1, 3, 5),
        "0.bias": (8,),
        "1.depthwise.weight": (24, 1, 2, 3),
        "1.pointwise.weight": (7, 24, 1, 1),
        "1.pointwise.bias": (7,),
    }
    values = loaded(layer, state, (6, 9, 4))
    for m, n, c, q in np.ndindex(values["0.w"].shape):
        assert values["0.w"][m, n, c, q] == state["0.weight"][2 * c + q, 0, m, n]


def test_the_rows_of_a_dense_layer_after_flatten_change_from_channels_first_to_last():
    layers = {"flatten": nn.Flatten(), "norm": nn.BatchNorm(), "relu": nn.ReLU(), "drop": nn.Dropout(0.5)}
    model = nn.Sequential(**layers, fc=nn.Dense(30), out=nn.Dense(4))  # 30 inputs and 30 units: the bias is not permuted
    state = state_of(model, (2, 3, 5))
    values = loaded(model, state, (2, 3, 5))
    for i, j, c in np.ndindex(2, 3, 5):
        ours, theirs = (i * 3 + j) * 5 + c, (c * 2 + i) * 3 + j
        assert (values["fc.w"][ours] == state["fc.weight"][:, theirs]).all()
        assert values["norm.mean"][ours] == state["norm.running_mean"][theirs]
    assert (values["fc.b"] == state["fc.bias"]).all()
    assert (values["out.w"] == state["out.weight"].T).all()


def test_the_rows_stay_in_order_without_an_image_and_in_channels_first():
    for layer, shape in ((nn.Identity(), (30,)), (nn.Conv2D(5, 1, data_format="channels_first"), (5, 2, 3))):
        model = nn.Sequential(first=layer, flatten=nn.Flatten(), fc=nn.Dense(4))
        state = state_of(model, shape)
        assert (loaded(model, state, shape)["fc.w"] == state["fc.weight"].T).all()


def test_branches_keep_the_order_and_a_concatenation_of_flattened_images_is_refused():
    residual = nn.Sum(nn.Identity(), nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))
    model = nn.Sequential(flatten=nn.Flatten(), sum=residual, fc=nn.Dense(3))
    state = state_of(model, (2, 1, 5))
    assert loaded(model, state, (2, 1, 5))["fc.w"][1].tolist() == state["fc.weight"][:, 2].tolist()
    for mixing in (nn.Concat(nn.Identity(), nn.ReLU()), nn.Select([1, 0])):
        with pytest.raises(ValueError, match="layers between images and fc must be a Flatten"):
            keyed_entries(nn.Sequential(flatten=nn.Flatten(), mixing=mixing, fc=nn.Dense(3)), (2, 1, 5))


KEYS = {  # keys of torchvision's networks that the tables must give
    "alexnet": ["features.0.weight", "features.10.bias", "classifier.1.weight", "classifier.4.bias", "classifier.6.weight"],
    "vgg13": ["features.2.weight", "features.22.bias", "classifier.0.weight", "classifier.3.bias", "classifier.6.bias"],
    "vgg16_bn": ["features.0.bias", "features.1.running_var", "features.41.weight", "classifier.6.weight"],
    "googlenet": ["conv2.conv.weight", "inception4e.branch3.1.bn.bias", "aux1.conv.bn.weight", "aux2.fc2.bias", "fc.bias"],
    "inception_v3": [
        "Conv2d_3b_1x1.bn.weight",
        "Mixed_5d.branch3x3dbl_3.conv.weight",
        "Mixed_6a.branch3x3.conv.weight",
        "Mixed_6e.branch7x7dbl_5.bn.running_mean",
        "Mixed_7a.branch7x7x3_4.conv.weight",
        "Mixed_7c.branch3x3dbl_3b.conv.weight",
        "AuxLogits.conv0.conv.weight",
        "AuxLogits.fc.bias",
    ],
    "resnet34": ["bn1.num_batches_tracked", "layer1.0.conv1.weight", "layer3.5.bn2.bias", "layer4.0.downsample.1.weight"],
    "resnext50_32x4d": ["layer1.0.downsample.0.weight", "layer4.2.conv2.weight", "layer4.2.bn3.running_var", "fc.weight"],
    "densenet121": [
        "features.norm0.weight",
        "features.denseblock3.denselayer24.conv2.weight",
        "features.denseblock1.denselayer2.norm1.bias",
        "features.transition2.conv.weight",
        "features.norm5.running_mean",
        "classifier.bias",
    ],
    "densenet161": ["features.denseblock3.denselayer36.conv2.weight", "features.denseblock4.denselayer24.norm1.weight"],
}


@pytest.mark.parametrize("name", KEYS)
def test_networks_of_torchvision_have_its_keys(name):
    variant = TORCHVISION[name]
    model = models.create(variant.name, **variant.arguments, width=0.05)
    assert set(KEYS[name]) <= keyed_entries(model, models.input_shape(variant.name)).keys()


def small():
    return nn.Sequential(conv=nn.Conv2D(2, (1, 3)), norm=nn.BatchNorm(), flatten=nn.Flatten(), fc=nn.Dense(5))


SHAPE = (2, 4, 1)


def built(dtype=np.float32):
    model = small()
    model.build(SHAPE, rng=0, dtype=dtype)
    return model


def values_of(model):
    return {name: parameter.value.copy() for name, parameter in model.named_parameters().items()}


def same_bits(first, second):
    return first.keys() == second.keys() and all(first[name].tobytes() == second[name].tobytes() for name in first)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_written_and_read_again_have_the_same_bits(tmp_path, dtype):
    model, again = built(dtype), built(dtype)
    again.build(SHAPE, rng=1, dtype=dtype)
    model["norm"].parameters["updates"].value[...] = 17
    written = weights.to_torch(model, tmp_path / "w.safetensors")
    assert written["norm.num_batches_tracked"].dtype == np.int64
    assert weights.from_torch(again, tmp_path / "w.safetensors") == ([], [])
    assert same_bits(values_of(model), values_of(again))
    assert same_bits(weights.to_torch(again), written)


def test_a_network_that_is_not_built_is_built_only_if_the_weights_fit():
    model, state = small(), state_of(small(), SHAPE)
    with pytest.raises(ValueError, match="input_shape must be given for a network that is not built"):
        weights.from_torch(model, state)
    with pytest.raises(ValueError, match=r"1 missing \(fc.bias\)"):
        weights.from_torch(model, {key: a for key, a in state.items() if key != "fc.bias"}, input_shape=SHAPE)
    assert not model.is_built
    weights.from_torch(model, state, input_shape=SHAPE)
    assert model.input_shape == SHAPE
    model = small()
    weights.from_torch(model, state_of(model, SHAPE, np.float64), input_shape=SHAPE)
    assert model["fc"].parameters["w"].value.dtype == np.float64


def test_missing_counters_are_many_batches_and_large_ones_are_limited():
    model, state = built(), state_of(small(), SHAPE)
    for count in (-1, np.nan):
        with pytest.raises(ValueError, match=r"num_batches_tracked: \(\) .*, expected \(\) int64, at least 0"):
            weights.from_torch(model, {**state, "norm.num_batches_tracked": np.array(count)})
    for count, expected in ((np.int64(3), 3), (np.int64(2**40), MANY), (None, MANY)):
        state.pop("norm.num_batches_tracked", None)
        weights.from_torch(model, state if count is None else {**state, "norm.num_batches_tracked": np.array(count)})
        assert model["norm"].parameters["updates"].value == expected


def test_sixteen_bit_weights_are_read_as_float32_and_float32_into_a_float64_network():
    state = state_of(small(), SHAPE)
    halves = {key: a if a.dtype == np.int64 else a.astype(np.float16) for key, a in state.items()}
    for model in (built(), built(np.float64)):
        weights.from_torch(model, halves)
        assert (model["fc"].parameters["b"].value == state["fc.bias"]).all()


def test_names_connect_layers_with_modules_of_other_names():
    names = {"conv": "features.0", "fc": "head"}
    state = state_of(small(), SHAPE, names=names)
    assert set(state) >= {"features.0.weight", "norm.bias", "head.bias"}
    model = built()
    with pytest.raises(ValueError, match=r"weights must contain the parameters of the network, got 4 missing \(conv.weight"):
        weights.from_torch(model, state)
    weights.from_torch(model, state, names=names)
    assert (model["fc"].parameters["b"].value == state["head.bias"]).all()
    assert set(weights.to_torch(model, names=names)) == set(state)
    with pytest.raises(ValueError, match="names must be of layers with parameters: conv, norm, fc; got scores"):
        weights.to_torch(model, names={"scores": "head"})
    with pytest.raises(ValueError, match="names must give each layer a module of its own"):
        weights.to_torch(model, names={"conv": "a", "fc": "a"})


def test_without_strict_only_common_parameters_are_copied():
    model, state = built(), state_of(small(), SHAPE)
    before = values_of(model)
    del state["conv.weight"]
    state["aux.bias"] = numbered((3,))
    unmatched = weights.from_torch(model, state, strict=False)
    assert unmatched == (["conv.w"], ["aux.bias"])
    assert (model["conv"].parameters["w"].value == before["conv.w"]).all()
    assert (model["fc"].parameters["b"].value == state["fc.bias"]).all()
    with pytest.raises(ValueError, match=r"must contain a parameter of the network, such as conv.weight, got aux.bias"):
        weights.from_torch(model, {"aux.bias": state["aux.bias"]}, strict=False)


WRONG = {
    "missing": (lambda state: state.pop("fc.bias"), r"1 missing \(fc.bias\)"),
    "unused": (lambda state: state.update({"fc2.bias": numbered((3,))}), r"1 unexpected \(fc2.bias\)"),
    "order of axes": (
        lambda state: state.update({"conv.weight": numbered((1, 3, 1, 2))}),
        r"conv.weight: \(1, 3, 1, 2\) float32, expected \(2, 1, 1, 3\) float32",
    ),
    "integers": (lambda state: state.update({"fc.bias": numbered((5,), np.int32)}), r"fc.bias: \(5,\) int32, expected"),
    "complex": (lambda state: state.update({"fc.bias": numbered((5,), np.complex64)}), r"fc.bias: \(5,\) complex64"),
    "float64": (lambda state: state.update({"fc.bias": numbered((5,), np.float64)}), r"fc.bias: \(5,\) float64, expected"),
    "counters": (
        lambda state: state.update({"norm.num_batches_tracked": numbered((2,), np.int64)}),
        r"norm.num_batches_tracked: \(2,\) int64, expected \(\) int64",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("as_file", [False, True])
def test_weights_that_do_not_fit_are_refused_by_name_and_change_nothing(tmp_path, wrong, as_file):
    change, message = WRONG[wrong]
    model, state = built(), state_of(small(), SHAPE)
    change(state)
    before, source = values_of(model), state
    if as_file:
        source = tmp_path / "w.safetensors"
        write_safetensors(source, state, {})
    with pytest.raises(ValueError, match=("w.safetensors" if as_file else "weights") + f" must contain .*{message}"):
        weights.from_torch(model, source)
    assert same_bits(values_of(model), before)


def files(tmp_path):
    """Return contents of damaged and tampered files, and a part of the error about each."""
    write_safetensors(tmp_path / "whole.safetensors", state_of(small(), SHAPE), {})
    whole = (tmp_path / "whole.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    data = whole[8 + length :]
    first = next(name for name in header if name != "__metadata__")
    entry = header[first]
    return {
        "empty": (b"", "is not a safetensors file"),
        "truncated": (whole[:-5], "must end with the file"),
        "longer": (whole + b"\0" * 8, "must end with the file"),
        "over-long header": ((10**9).to_bytes(8, "little") + whole[8:], "got a length of 1000000000"),
        "header of another size": ((length - 4).to_bytes(8, "little") + whole[8:], "is not a safetensors file"),
        "shape": (as_safetensors({**header, first: {**entry, "shape": [10**9]}}, data), "must have"),
        "offsets": (as_safetensors({**header, first: {**entry, "data_offsets": [8, 16]}}, data), "must"),
        "type": (as_safetensors({**header, first: {**entry, "dtype": "I64x"}}, data), "must contain types that NumPy"),
        "pickle": (pickle.dumps({"fc.bias": [1.0]}, protocol=4), "is not a safetensors file"),
    }


def test_damaged_and_tampered_files_are_refused_by_name_and_change_nothing(tmp_path):
    model = built()
    before = values_of(model)
    for name, (content, message) in files(tmp_path).items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}\.pth .*{message}"):
            weights.from_torch(model, path)
    assert same_bits(values_of(model), before)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        weights.from_torch(model, tmp_path / "none.pth")


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02\x8a\x0a"])
def test_a_file_of_torch_save_needs_pytorch(tmp_path, monkeypatch, start):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "w.pth").write_bytes(start + b"\0" * 100)
    with pytest.raises(MissingPackage, match=r"w.pth, a file of torch.save, needs PyTorch: pip install torch; or convert"):
        weights.from_torch(built(), tmp_path / "w.pth")
    with pytest.raises(MissingPackage, match="needs PyTorch"):
        weights.to_torch(built(), tmp_path / "new.pt")
    assert not (tmp_path / "new.pt").exists()


def test_values_of_other_kinds_are_refused():
    with pytest.raises(TypeError, match="state_dict must contain arrays or tensors by name, got dict for 'state_dict'"):
        weights.from_torch(built(), {"state_dict": {}})
    with pytest.raises(TypeError, match=r"weights must be a path or a state dict, got Sequential"):
        weights.from_torch(built(), built())  # a network in place of its state dict


def test_keys_of_old_files_of_densenet_are_read():
    variant = TORCHVISION["densenet121"]
    model = models.create(variant.name, **variant.arguments, width=0.05, classes=2)
    state = {key: a for key, a in state_of(model, (32, 32, 3)).items() if "num_batches" not in key}
    old = {key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): a for key, a in state.items()}
    assert "features.denseblock4.denselayer16.norm.1.weight" in old
    loaded(model, old, (32, 32, 3))
    key = "features.denseblock1.denselayer1.norm1.bias"
    message = (
        "weights must contain each parameter once, got features.denseblock1.denselayer1.norm.1.bias and .*layer1.norm1.bias"
    )
    with pytest.raises(ValueError, match=message):
        weights.from_torch(model, {**old, key: state[key]})


# ------------------------------------------------------------- models.create(name, weights=path)


@pytest.fixture
def resnet_file(tmp_path):
    """Return a safetensors file with weights of a narrow ResNet-18 with three classes."""
    variant = TORCHVISION["resnet18"]
    state = state_of(models.create(variant.name, **variant.arguments, width=0.05, classes=3), (224, 224, 3))
    write_safetensors(tmp_path / "resnet18.safetensors", state, {"format": "pt"})
    return tmp_path / "resnet18.safetensors"


def test_create_builds_the_network_of_torchvision_with_its_classes_and_preprocessing(tmp_path, resnet_file):
    (tmp_path / "labels.txt").write_text("cat\ndog\nbird of prey\n\n", "utf-8-sig")  # as Windows' editor writes it
    model = models.create("ResNet-18", weights=resnet_file, labels=tmp_path / "labels.txt", width=0.05)
    assert model.input_shape == (224, 224, 3)
    assert model["conv1"]["norm"].eps == 1e-5
    assert model.notes["classes"] == ["cat", "dog", "bird of prey"]
    assert model.notes["preprocessing"]["shorter_side"] == 256
    assert model["scores"].parameters["b"].value.tolist() == [0, 1, 2]
    model.save(tmp_path / "model.safetensors")
    again = models.create("resnet18", weights=tmp_path / "model.safetensors", width=0.05)
    assert same_bits(values_of(again), values_of(model))
    assert again.notes["classes"] == model.notes["classes"]


def test_a_file_cannot_ask_for_more_classes_than_it_has_weights(tmp_path):
    variant = TORCHVISION["resnet18"]
    state = state_of(models.create(variant.name, **variant.arguments, width=0.05, classes=3), (224, 224, 3))
    state["fc.bias"] = np.zeros((10**9, 0), np.float32)
    for kernel in (np.zeros((10**9, 0), np.float32), state["fc.weight"]):
        write_safetensors(tmp_path / "w.safetensors", {**state, "fc.weight": kernel}, {})
        with pytest.raises(ValueError, match=r"w.safetensors must contain .*fc.bias: \(1000000000, 0\) float32, expected \("):
            models.create("resnet18", weights=tmp_path / "w.safetensors", width=0.05)


def test_create_refuses_files_of_other_networks(tmp_path, resnet_file):
    cases = [
        (("resnet34", {"width": 0.05}), "resnet18.safetensors must contain the parameters of the network, got 80 missing"),
        (("lenet", {}), "resnet18.safetensors .* torchvision has no lenet: build lenet and call weights.from_torch"),
        (("resnet18", {"width": 0.05, "labels": ["cat", "dog"]}), "labels must have 3 names, one for each class, got 2"),
    ]
    for (name, arguments), message in cases:
        with pytest.raises(ValueError, match=message):
            models.create(name, weights=resnet_file, **arguments)
    for labels in ({"cat", "dog", "cow"}, 3, b"cat"):
        with pytest.raises(TypeError, match="labels must be a path or a sequence of strings, got"):
            models.create("resnet18", weights=resnet_file, width=0.05, labels=labels)
    with pytest.raises(ValueError, match="weights must be a file of weights or the folder of a run, got 'mnist'"):
        models.create("resnet18", weights="mnist")
    with pytest.raises(ValueError, match="labels must be None without weights"):
        models.create("lenet", labels=["cat"])
    models.create("resnet18", weights=resnet_file, width=0.05).save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"weights must belong to resnet34 .*, got model.safetensors \(conv1.norm: averages"):
        models.create("resnet34", weights=tmp_path / "model.safetensors", width=0.05)
