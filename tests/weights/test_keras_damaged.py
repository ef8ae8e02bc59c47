"""Tests of files of Keras that are damaged or were tampered with: each is refused by name."""

import zipfile

import numpy as np
import pytest

import refconv
from keras_archives import (
    CONFIG,
    METADATA,
    WEIGHTS,
    change_config,
    change_weights,
    members_of,
    network,
    randomized,
    write_members,
)
from memory import MEGABYTE, peak_of
from refconv.weights import from_keras, to_keras

h5py = pytest.importorskip("h5py")


@pytest.fixture
def archive(tmp_path):
    """Return the path of an archive with a small functional network."""
    path = tmp_path / "net.keras"
    to_keras(randomized(network(), (5, 7, 3)), path)
    return path


def layer(config, name):
    return next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == name)


def option(name, key, value):
    return lambda config: layer(config, name)["config"].update({key: value})


def history(name, reference):
    def change(config):
        layer(config, name)["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = reference

    return change


def kind(name, class_name, **entry):
    return lambda config: layer(config, name).update({"class_name": class_name, **entry})


CONFIGS = {
    "a cycle": (
        history("joined_1_conv", ["joined_1_norm", 0, 0]),
        "layer joined.* must depend on the input only, got a cycle",
    ),
    "a missing layer": (history("relu", ["nowhere", 0, 0]), "must be outputs of layers in the network, got 'nowhere'"),
    "a call that does not exist": (history("relu", ["joined", 1, 0]), "must be outputs of layers"),
    "a second output": (history("relu", ["joined", 0, 1]), "an input of layer relu must be the first output"),
    "a reference that is a number": (history("relu", 3), "an input of layer relu must be the first output"),
    "a lambda": (kind("relu", "Lambda"), r"layer relu \(Lambda\) cannot be loaded: it contains code"),
    "a custom layer": (kind("relu", "ReLU", registered_name="mine>ReLU"), "layer relu must be a built-in layer"),
    "a module outside of Keras": (
        kind("relu", "ReLU", module="os"),
        "layer relu must be a layer of Keras, got 'ReLU' from 'os'",
    ),
    "an operation": (kind("joined", "Add", module="keras.src.ops.numpy"), "layer joined must be a layer of Keras"),
    "an unknown layer": (kind("relu", "GRU"), r"layer relu \(GRU\) cannot be loaded: refconv has no layer"),
    "an unknown option": (option("relu", "new", 3), r"layer relu \(ReLU\) has an option that refconv does not support: new=3"),
    "another maximum": (option("relu", "max_value", 7), r"layer relu \(ReLU\) must have max_value 6"),
    "filters that are a word": (
        option("joined_1_conv", "filters", "3"),
        "must have an integer of at least 1 as filters, got '3'",
    ),
    "negative filters": (option("joined_1_conv", "filters", -3), "must have an integer of at least 1 as filters, got -3"),
    "filters true": (option("joined_1_conv", "filters", True), "must have an integer of at least 1 as filters, got True"),
    "huge units": (option("scores", "units", 2**31 - 1), "array 0 of layer scores must have shape"),
    "three strides": (option("joined_1_conv", "strides", [1, 1, 1]), "must have 2 integers of at least 1 as strides"),
    "an infinite epsilon": (option("joined_1_norm", "epsilon", float("inf")), "must have a finite number as epsilon"),
    "a momentum above 1": (option("joined_1_norm", "momentum", 1.5), "layer joined_1_norm .*momentum must be"),
    "another axis": (option("joined_1_norm", "axis", 1), "must have the channels as its axis, got 1"),
    "half precision": (option("scores", "dtype", "mixed_float16"), "layer scores must be of type float32 or float64"),
    "two types": (option("scores", "dtype", "float64"), "all layers must be of one type"),
    "an activation that is code": (option("scores", "activation", "eval"), "layer scores .* must have an activation from"),
    "an activation that is a dict": (option("scores", "activation", {"class_name": "function"}), "must have an activation"),
    "channels first": (option("joined_1_conv", "data_format", "channels_first"), "must have data_format 'channels_last'"),
    "another size of the input": (
        lambda config: layer(config, "input")["config"].update(batch_shape=[None, 5, 7, 4]),
        r"layer joined .*Add.*inputs must have shapes that can be broadcast|array 0 of layer",
    ),
    "a batch that is a word": (
        lambda config: layer(config, "input")["config"].update(batch_shape="abc"),
        "layer input must have the shape of a batch",
    ),
    "two layers of one name": (
        lambda config: layer(config, "relu").update(name="mean", config={"name": "mean"}),
        "must have distinct names",
    ),
    "a layer that leads nowhere": (history("relu", ["input", 0, 0]), "must lead to the output"),
    "a call with arguments": (
        lambda config: layer(config, "relu")["inbound_nodes"][0].update(kwargs={"training": True}),
        "layer relu must be called without other arguments",
    ),
    "no layers": (lambda config: config["config"].update(layers=[]), "must have a list of layers"),
    "two outputs": (
        lambda config: config["config"].update(output_layers=[["scores", 0, 0], ["relu", 0, 0]]),
        "the network must have one output, got 2",
    ),
    "no network": (
        lambda config: config.update(class_name="Dense", registered_name=None),
        "must contain a Sequential or Functional network",
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_description_that_was_tampered_with_is_refused_by_name(archive, case):
    change, message = CONFIGS[case]
    change_config(archive, change)
    with pytest.raises(
        refconv.ArgumentError, match=rf"net\.keras does not contain a network that can be loaded: .*(?:{message})"
    ):
        from_keras(archive)


CONV, NORM = "layers/conv2d/vars", "layers/batch_normalization/vars"


def replaced(path, array):
    def change(file):
        del file[path]
        file[path] = array

    return change


def soft_link(file):
    del file[f"{CONV}/0"]
    file[f"{CONV}/0"] = h5py.SoftLink("/layers/dense/vars/0")


def external_link(file):
    del file[CONV]
    file[CONV] = h5py.ExternalLink("/etc/passwd", "/")


def external_data(file):
    del file[f"{CONV}/1"]
    file[CONV].create_dataset("1", (3,), "f4", external=[("/etc/passwd", 0, 12)])


def compressed(file):
    del file[f"{CONV}/1"]
    file[CONV].create_dataset("1", (3,), "f4", chunks=(3,), compression="gzip")


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", (3,))
    del file[f"{CONV}/1"]
    file[CONV].create_virtual_dataset("1", layout)


def cyclic(file):
    file["layers/conv2d/layers"] = file["layers"]
    del file[CONV]
    file[CONV] = file["layers"]


HDF5 = {
    "another shape": (replaced(f"{CONV}/0", np.zeros((3, 2, 3, 4), "f4")), r"array 0 of layer joined_1_conv must have shape"),
    "another order of axes": (replaced(f"{CONV}/0", np.zeros((2, 3, 3, 3), "f4")), r"array 0 of layer joined_1_conv"),
    "another type": (replaced(f"{CONV}/1", np.zeros(3, "f8")), "type float32, got .* and float64"),
    "integers": (replaced(f"{CONV}/1", np.zeros(3, "i4")), "type float32"),
    "text": (replaced(f"{CONV}/1", "abc"), "array 1 of layer joined_1_conv"),
    "a group instead of an array": (lambda file: (file.pop(f"{CONV}/1"), file.create_group(f"{CONV}/1")), "must be a dataset"),
    "a missing array": (lambda file: file.pop(f"{NORM}/3"), "layer joined_1_norm must have 4 arrays, got 3"),
    "an array too many": (replaced(f"{CONV}/2", np.zeros(3, "f4")), None),
    "a missing layer": (lambda file: file.pop("layers/dense"), "layer scores must be in the group layers/dense/vars"),
    "a layer too many": (
        lambda file: file.create_dataset("layers/dense_1/vars/0", data=np.zeros(3)),
        "no layer for the weights in layers/dense_1",
    ),
    "arrays of another layer": (lambda file: file[CONV].attrs.update(name="b"), "must belong to layer joined_1_conv, got 'b'"),
    "a soft link": (soft_link, "must be in the file itself, got a SoftLink"),
    "a link to a file": (external_link, "must be in the file itself, got a ExternalLink"),
    "data in another file": (external_data, "must be a dataset in the file itself"),
    "data of other datasets": (virtual, "must be a dataset in the file itself"),
    "compression": (compressed, "must be stored in one piece"),
    "a group in itself": (cyclic, "layer joined_1_conv must have 2 arrays"),
}


@pytest.mark.parametrize("case", HDF5)
def test_weights_that_were_tampered_with_are_refused_by_name(archive, case):
    change, message = HDF5[case]
    if message is None:
        change, message = (lambda file: file.create_dataset(f"{CONV}/2", data=np.zeros(3, "f4"))), "must have 2 arrays, got 3"
    change_weights(archive, change)
    with pytest.raises(refconv.ArgumentError, match=rf"net\.keras does not contain a network that can be loaded: .*{message}"):
        from_keras(archive)


def without(name):
    return lambda members: {key: content for key, content in members.items() if key != name}


def added(name, content=b"x"):
    return lambda members: {**members, name: content}


ARCHIVES = {
    "no weights": (without(WEIGHTS), "must contain model.weights.h5"),
    "no description": (without(CONFIG), "must contain config.json"),
    "no version": (without(METADATA), "must contain metadata.json"),
    "Keras 2": (added(METADATA, b'{"keras_version": "2.15.0"}'), "keras_version in metadata.json must be 3"),
    "a version that is a number": (added(METADATA, b'{"keras_version": 3}'), "keras_version in metadata.json must be 3"),
    "a list": (added(CONFIG, b"[]"), "member config.json must be a JSON object, got list"),
    "not JSON": (added(CONFIG, b"{"), "Expecting"),
    "not UTF-8": (added(CONFIG, b"\xff\xfe"), "decode"),
    "deep JSON": (added(CONFIG, b"[" * 200_000), "recursion"),
    "weights that are no HDF5": (added(WEIGHTS, b"abc"), "the weights are not an HDF5 file, or are damaged"),
    "a path upwards": (added("../evil"), r"must have relative names without '\.\.', got '\.\./evil'"),
    "a path upwards inside": (added("assets/../../evil"), "must have relative names"),
    "an absolute path": (added("/etc/evil"), "must have relative names"),
    "a path of Windows": (added("C:evil"), "must have relative names"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_was_tampered_with_is_refused_by_name(archive, case):
    change, message = ARCHIVES[case]
    write_members(archive, change(members_of(archive)))
    with pytest.raises(refconv.ArgumentError, match=rf"net\.keras does not contain a network that can be loaded: .*{message}"):
        from_keras(archive)


def test_a_zip_bomb_is_refused_before_it_is_expanded(archive):
    members = members_of(archive)
    write_members(archive, {**members, WEIGHTS: bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(refconv.ArgumentError, match=r"member model\.weights\.h5 must be compressed by at most"):
        from_keras(archive)


def test_a_description_of_many_lists_is_refused_before_it_takes_memory(archive):
    members = members_of(archive)
    lists = b'{"a": [' + b",".join([b"[]"] * 2_000_000) + b"]}"
    write_members(archive, {**members, CONFIG: lists}, zipfile.ZIP_DEFLATED)
    assert archive.stat().st_size < 30_000

    def load():
        with pytest.raises(refconv.ArgumentError, match=r"member config\.json must have at most 4194304 bytes, got 6000008"):
            from_keras(archive)

    assert peak_of(load) < 10 * MEGABYTE


def test_a_member_of_another_compression_method_is_refused(archive):
    write_members(archive, members_of(archive), zipfile.ZIP_BZIP2)
    with pytest.raises(refconv.ArgumentError, match=r"net\.keras .*must be stored or deflated, got method 12"):
        from_keras(archive)


def test_two_members_of_one_name_are_refused(archive):
    with zipfile.ZipFile(archive, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr(CONFIG, b"{}")
    with pytest.raises(refconv.ArgumentError, match="distinct names"):
        from_keras(archive)


def test_truncated_files_and_changed_bytes_are_refused(archive):
    content = archive.read_bytes()
    for end in range(0, len(content), len(content) // 12):
        archive.write_bytes(content[:end])
        with pytest.raises(refconv.ArgumentError, match="not a zip file"):
            from_keras(archive)
    changed = bytearray(content)
    changed[content.index(b"Functional")] ^= 1
    archive.write_bytes(changed)
    with pytest.raises(refconv.ArgumentError, match="Bad CRC"):
        from_keras(archive)
