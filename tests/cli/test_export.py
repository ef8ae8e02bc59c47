"""Tests of ``refconv export``: networks by name and from files, and errors."""

import numpy as np
import pytest

import refconv
from onnx_graphs import written
from refconv import nn, weights
from refconv.cli import main
from refconv.cli.saved_model import load_network

onnx = pytest.importorskip("onnx")
pytest.importorskip("h5py")


def shapes(path):
    graph = onnx.load(path).graph
    dims = [values[0].type.tensor_type.shape.dim for values in (graph.input, graph.output)]
    return [[dim.dim_param or dim.dim_value for dim in axes] for axes in dims]


def test_export_writes_an_architecture_with_random_weights(tmp_path, capsys):
    path = tmp_path / "out" / "lenet.onnx"
    assert main(["export", "lenet", str(path), "--small", "--classes", "7", "--layout", "channels-first"]) == 0
    assert shapes(path) == [["batch", 1, 32, 32], ["batch", 7]]
    assert capsys.readouterr().out == f"wrote {path}, 0.1 MiB\n"


def test_the_seed_decides_the_weights(tmp_path):
    files = [tmp_path / f"{k}.onnx" for k in range(3)]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        assert main(["export", "lenet", str(path), "--small", "--seed", str(seed), "-q"]) == 0
    first, again, other = (path.read_bytes() for path in files)
    assert first == again != other


def test_export_writes_a_saved_model(tmp_path, capsys):
    model = nn.Sequential(dense=nn.Dense(4))
    model.build((3,), rng=0)
    model.save(tmp_path / "model.safetensors")
    assert main(["export", str(tmp_path / "model.safetensors"), str(tmp_path / "model.onnx")]) == 0
    assert shapes(tmp_path / "model.onnx") == [["batch", 3], ["batch", 4]]
    assert main(["export", str(tmp_path / "model.safetensors"), str(tmp_path / "b.onnx"), "--classes", "3"]) == 1
    assert "--classes must only be given for the name of an architecture" in capsys.readouterr().err


def test_the_ending_selects_the_format(tmp_path):
    model = refconv.models.create("lenet", weights="digits")
    for name in ("lenet.keras", "lenet.safetensors"):
        assert main(["export", "lenet:digits", str(tmp_path / name), "--quiet"]) == 0
    x = refconv.data.lenet_input(refconv.data.draw_digits(3, seed=2)[0])
    np.testing.assert_allclose(weights.from_keras(tmp_path / "lenet.keras")(x), model(x), rtol=0, atol=1e-5)
    again = refconv.models.create("lenet")
    weights.from_torch(again, tmp_path / "lenet.safetensors", input_shape=(32, 32, 1))
    np.testing.assert_array_equal(again(x), model(x))


def test_files_of_other_programs_are_exported(tmp_path):
    model = refconv.models.create("lenet", weights="digits")
    x = refconv.data.lenet_input(refconv.data.draw_digits(3, seed=2)[0])
    refconv.onnx.save(model, tmp_path / "a.onnx", data_format="channels_first")
    for source, name in (("a.onnx", "b.keras"), ("b.keras", "c.onnx")):
        assert main(["export", str(tmp_path / source), str(tmp_path / name), "--quiet"]) == 0
    np.testing.assert_allclose(refconv.onnx.load(tmp_path / "c.onnx")(x), model(x), rtol=0, atol=1e-5)
    with pytest.raises(refconv.ArgumentValueError, match=r"path must end in \.onnx, got a\.bin$"):
        refconv.onnx.save(model, tmp_path / "a.bin")


def test_predict_and_evaluate_read_onnx_files_with_their_preprocessing(tmp_path, capsys):
    path = str(tmp_path / "digits.onnx")
    assert main(["export", "lenet:digits", path, "--layout", "channels-first", "--quiet"]) == 0
    results = []
    for model in ("lenet:digits", path):
        assert main(["evaluate", model, "--images", "40", "--json", "--quiet"]) == 0
        results.append(capsys.readouterr().out)
    assert '"accuracy"' in results[0]
    assert results[0] == results[1]


def test_the_layout_is_also_accepted_as_in_python(tmp_path):
    path = tmp_path / "lenet.onnx"
    assert main(["export", "lenet", str(path), "--small", "--layout", "channels_first", "-q"]) == 0
    assert shapes(path)[0] == ["batch", 1, 32, 32]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet", "lenet.h5"], "OUT must end in .onnx or .keras or .safetensors or .pth or .pt, got lenet.h5"),
        (
            ["lenett", "lenet.onnx"],
            "or a name that `refconv list` prints, got 'lenett'; did you mean lenet?",
        ),
        (
            ["lenet", "lenet.keras", "--layout", "channels-first"],
            "--layout must only be given for an .onnx file, got lenet.keras",
        ),
        (["taken.onnx", "lenet.onnx"], "taken.onnx: the file is not an ONNX model"),
        (["lenet", "taken.onnx"], "taken.onnx already exists; choose another file, or replace it with --overwrite"),
    ],
)
def test_export_leaves_files_alone_after_an_error(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.onnx").write_bytes(b"mine")
    assert main(["export", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken.onnx"]
    assert (tmp_path / "taken.onnx").read_bytes() == b"mine"
    assert main(["export", "lenet", "taken.onnx", "--overwrite", "--quiet"]) == 0
    assert shapes("taken.onnx") == [["batch", 32, 32, 1], ["batch", 10]]


def test_export_never_replaces_the_network_itself(tmp_path, capsys):
    model = nn.Sequential(dense=nn.Dense(4))
    model.build((3,), rng=0)
    path = tmp_path / "model.safetensors"
    model.save(path)
    content = path.read_bytes()
    for source in (path, tmp_path):
        assert main(["export", str(source), str(path), "--overwrite"]) == 1
        assert f"OUT must be a file that is not an input, got {path}" in capsys.readouterr().err
    assert path.read_bytes() == content


def test_export_writes_the_file_that_a_link_points_to(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "lenet.onnx").write_bytes(b"mine")
    (tmp_path / "link.onnx").symlink_to("real/lenet.onnx")
    assert main(["export", "lenet", "link.onnx", "--small"]) == 1
    assert "link.onnx already exists" in capsys.readouterr().err
    assert main(["export", "lenet", "link.onnx", "--small", "--overwrite"]) == 0
    assert (tmp_path / "link.onnx").is_symlink()
    assert shapes(tmp_path / "real" / "lenet.onnx") == [["batch", 32, 32, 1], ["batch", 10]]
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["lenet.onnx"]


@pytest.mark.parametrize("option", [["--seed", "0"], ["--seed", "3"], ["--width", "0"], ["--style", ""], ["--small"]])
@pytest.mark.parametrize("source", ["lenet:digits", "lenet.safetensors", "lenet.onnx"])
def test_options_of_architectures_are_refused_for_a_stored_model(tmp_path, monkeypatch, capsys, source, option):
    monkeypatch.chdir(tmp_path)
    model = refconv.models.create("lenet", weights="digits")
    model.save("lenet.safetensors")
    refconv.onnx.save(model, "lenet.onnx")
    assert main(["export", source, "out.keras", *option]) == 1
    expected = f"refconv: {option[0]} must only be given for the name of an architecture, got {source}\n"
    assert capsys.readouterr().err == expected
    assert not (tmp_path / "out.keras").exists()


def test_a_warning_about_copied_weights_is_printed_once_in_one_line(tmp_path, capsys):
    kernel = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    nodes = [onnx.helper.make_node("Conv", [x, "k"], [y], pads=[pad] * 4) for x, y, pad in (("x", "a", 0), ("a", "y", 1))]
    path = written(tmp_path / "m.onnx", nodes, (1, 8, 9), {"k": kernel})
    assert main(["export", str(path), str(tmp_path / "out.keras")]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: the layers conv, conv_2 share the weights 'k' in the file")


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
@pytest.mark.parametrize("first", ["Flatten", "Conv"])
def test_files_with_channels_first_become_networks_with_channels_last(tmp_path, capsys, channels, first):
    rng = np.random.default_rng(0)
    weights_of = {
        "fc.weight": rng.normal(size=(5, channels * 8 * 9)),
        "conv.weight": rng.normal(size=(channels, channels, 1, 1)),
    }
    nodes = [onnx.helper.make_node("Conv", ["x", "conv.weight"], ["c"])] if first == "Conv" else []
    nodes.append(onnx.helper.make_node("Flatten", ["c" if nodes else "x"], ["f"]))
    nodes.append(onnx.helper.make_node("Gemm", ["f", "fc.weight"], ["y"], transB=1))
    used = {name: a.astype(np.float32) for name, a in weights_of.items() if any(name in node.input for node in nodes)}
    path = written(tmp_path / "m.onnx", nodes, (channels, 8, 9), used)
    if (first, channels) == ("Flatten", 6):  # unknown: 6 channels first, or 9 last
        assert main(["export", str(path), str(tmp_path / "out.safetensors")]) == 1
        assert "load it with data_format='channels_last'" in capsys.readouterr().err
        return
    assert load_network(str(path)).input_shape == (8, 9, channels)
    assert main(["export", str(path), str(tmp_path / "out.safetensors"), "--quiet"]) == 0
    state, _ = weights.safetensors.read_safetensors(tmp_path / "out.safetensors")
    for name, array in used.items():
        np.testing.assert_array_equal(next(a for a in state.values() if a.shape == array.shape), array, err_msg=name)
