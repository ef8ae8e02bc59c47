"""Tests of MNIST in the layouts of other programs, and of files with wrong content."""

import dataclasses
import gzip
import hashlib
import re

import numpy as np
import pytest

from evidence import needs_kernels
from refconv import cli, data
from refconv.data import files, mnist
from refconv.data.files import ADVICE, BadDataFile, DataNotFound
from refconv.data.idx import write_idx

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
COUNTS = {"train": 40, "t10k": 24}
LOADERS = {"mnist": ("MNIST", data.load_mnist), "fashion-mnist": ("FASHION_MNIST", data.load_fashion_mnist)}


def arrays(prefix):
    rng = np.random.default_rng(COUNTS[prefix])
    return rng.integers(0, 256, (COUNTS[prefix], 28, 28), np.uint8), rng.permutation(np.arange(COUNTS[prefix]) % 10).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Return the bytes of the four unpacked files of a small MNIST, by name."""
    folder = tmp_path_factory.mktemp("contents")
    for k, prefix in enumerate(COUNTS):
        for name, array in zip(NAMES[2 * k :], arrays(prefix), strict=False):
            write_idx(folder / name, array)
    return {name: (folder / name).read_bytes() for name in NAMES}


@pytest.fixture(autouse=True)
def small_sets(monkeypatch, tmp_path, contents):
    """Replace MNIST and Fashion-MNIST by sets of 40 and 24 images.

    The hashes of the unpacked Fashion-MNIST are not known.
    """

    def table(original, known):
        def sums(name):
            packed = gzip.compress(contents[name], mtime=7 if known else 8)
            return hashlib.sha256(contents[name]).hexdigest() if known else None, hashlib.sha256(packed).hexdigest()

        splits = {
            split: mnist.idx_files(prefix, COUNTS[prefix], *map(sums, NAMES[2 * k : 2 * k + 2]))
            for k, (split, prefix) in enumerate(zip(("train", "test"), COUNTS, strict=True))
        }
        return dataclasses.replace(original, splits=splits, mirrors=())

    tables = {"MNIST": table(mnist.MNIST, True), "FASHION_MNIST": table(mnist.FASHION_MNIST, False)}
    for name, small in tables.items():
        monkeypatch.setattr(mnist, name, small)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv(files.FOLDER_VARIABLE, raising=False)


def dotted(name):
    return name.replace("-idx", ".idx")


LAYOUTS = {
    "refconv's": lambda name, folder: f"{folder}/{name}.gz",
    "unpacked": lambda name, folder: f"{folder}/{name}",
    "flat, from 7-Zip or Kaggle": lambda name, folder: dotted(name),
    "packed again after 7-Zip": lambda name, folder: f"{folder}/{dotted(name)}.gz",
    "a folder for each file": lambda name, folder: f"{name}/{name}",
    "a folder for each file, from 7-Zip": lambda name, folder: f"{folder}/{name}/{dotted(name)}",
    "torchvision's": lambda name, folder: f"{'MNIST' if folder == 'mnist' else 'FashionMNIST'}/raw/{name}",
    "with capitals": lambda name, folder: f"{'MNIST' if folder == 'mnist' else 'FashionMNIST'}/{name}",
}


def put(root, contents, layout, folder="mnist"):
    for name in NAMES:
        path = root / LAYOUTS[layout](name, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(contents[name], 1, mtime=0) if path.suffix == ".gz" else contents[name])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_mnist_is_verified_in_every_layout(tmp_path, contents, layout, split):
    put(tmp_path, contents, layout)
    assert files.available(mnist.MNIST, tmp_path)
    images, labels = data.load_mnist(split, tmp_path, download=False)
    expected_images, expected_labels = arrays({"train": "train", "test": "t10k"}[split])
    np.testing.assert_array_equal(images, expected_images)
    np.testing.assert_array_equal(labels, expected_labels)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_data_set_without_known_hashes_is_recognised_by_its_shape_and_not_verified(tmp_path, monkeypatch, contents, layout):
    monkeypatch.setattr(mnist, "MNIST", dataclasses.replace(mnist.MNIST, splits={}))  # its content is the same in this test
    put(tmp_path, contents, layout, "fashion-mnist")
    with pytest.warns(UserWarning, match="is not verified: no SHA-256 sum of the unpacked Fashion-MNIST is known") as caught:
        images, labels = data.load_fashion_mnist("test", tmp_path, download=False)
    assert len(caught) == 2
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(images, arrays("t10k")[0])
    np.testing.assert_array_equal(labels, arrays("t10k")[1])


def test_the_original_gz_file_is_verified_and_preferred_to_an_unpacked_one(tmp_path, contents):
    put(tmp_path, {name: content[:-1] + b"\x05" for name, content in contents.items()}, "torchvision's", "fashion-mnist")
    for name, content in contents.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content, mtime=8))
    images, _ = data.load_fashion_mnist("test", tmp_path, download=False)
    np.testing.assert_array_equal(images, arrays("t10k")[0])


IMAGES, LABELS = NAMES[2:]
TORCHVISION = {"MNIST": data.load_mnist, "FashionMNIST": data.load_fashion_mnist, "KMNIST": data.load_kmnist}


@pytest.mark.filterwarnings("ignore:.*not verified")
@pytest.mark.parametrize("name", TORCHVISION)
def test_the_folder_raw_belongs_to_the_data_set_named_by_its_parent_folder(tmp_path, monkeypatch, contents, name):
    table = dataclasses.replace(mnist.KMNIST, splits=mnist.FASHION_MNIST.splits, mirrors=())
    monkeypatch.setattr(mnist, "KMNIST", table)
    if name != "MNIST":  # its hashes would reveal that the files belong to another data set
        monkeypatch.setattr(mnist, "MNIST", dataclasses.replace(mnist.MNIST, splits={"test": ()}))
    raw = tmp_path / name / "raw"
    raw.mkdir(parents=True)
    for file in NAMES:
        (raw / file).write_bytes(contents[file])
    monkeypatch.chdir(tmp_path / name)
    for root in (tmp_path / name, ".", raw):
        np.testing.assert_array_equal(TORCHVISION[name]("test", root, download=False)[0], arrays("t10k")[0])
    for other in TORCHVISION.keys() - {name, "MNIST"}:
        with pytest.raises(DataNotFound):
            TORCHVISION[other]("test", tmp_path / name, download=False)


def test_unverified_images_and_labels_must_be_in_the_same_folder(tmp_path, monkeypatch, contents):
    monkeypatch.setattr(mnist, "MNIST", dataclasses.replace(mnist.MNIST, splits={}))
    put(tmp_path, contents, "torchvision's", "fashion-mnist")
    other_images = contents[IMAGES][:-1] + bytes([contents[IMAGES][-1] ^ 1])
    (tmp_path / "fashion-mnist").mkdir()
    (tmp_path / "fashion-mnist" / IMAGES).write_bytes(other_images)
    with pytest.warns(UserWarning, match=r"raw.t10k-(images-idx3|labels-idx1)-ubyte is not verified"):
        images, labels = data.load_fashion_mnist("test", tmp_path, download=False)
    np.testing.assert_array_equal(images, arrays("t10k")[0])
    np.testing.assert_array_equal(labels, arrays("t10k")[1])
    (tmp_path / "FashionMNIST" / "raw" / IMAGES).unlink()
    with (
        pytest.warns(UserWarning, match="is not verified"),
        pytest.raises(
            DataNotFound, match=rf"{LABELS} is not used: it is not verified, and other files are missing in its folder"
        ),
    ):
        data.load_fashion_mnist("test", tmp_path, download=False)


def test_verified_images_may_be_used_with_unverified_labels(tmp_path, monkeypatch, contents):
    monkeypatch.setattr(mnist, "MNIST", dataclasses.replace(mnist.MNIST, splits={}))
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(contents[IMAGES], mtime=8))
    (tmp_path / "fashion-mnist").mkdir()
    (tmp_path / "fashion-mnist" / LABELS).write_bytes(contents[LABELS])
    with pytest.warns(UserWarning, match=f"{LABELS} is not verified") as caught:
        images, labels = data.load_fashion_mnist("test", tmp_path, download=False)
    assert len(caught) == 1
    np.testing.assert_array_equal(images, arrays("t10k")[0])
    np.testing.assert_array_equal(labels, arrays("t10k")[1])


def idx(*shape, fill=0):
    return bytes([0, 0, 8, len(shape), *np.array(shape, ">u4").tobytes(), *np.full(shape, fill, np.uint8).tobytes()])


WRONG = {
    "images and labels swapped": (
        IMAGES,
        lambda c: c[LABELS],
        "holds t10k-labels-idx1-ubyte of MNIST; files may have been swapped",
    ),
    "training images": (IMAGES, lambda c: c[NAMES[0]], "holds train-images-idx3-ubyte of MNIST; files may have been swapped"),
    "truncated": (IMAGES, lambda c: c[IMAGES][:-9], r"ends early: got 18823 bytes, expected 18832 from the header"),
    "truncated gzip": (LABELS, lambda c: gzip.compress(c[LABELS])[:-9], "ends early: its gzip data stop"),
    "too long": (LABELS, lambda c: c[LABELS] + b"\0", "is too long: got 33 bytes, expected 32 from the header"),
    "too few images": (
        IMAGES,
        lambda c: idx(23, 28, 28),
        r"must hold uint8 of shape \(24, 28, 28\), got uint8 of shape \(23, 28, 28\)",
    ),
    "larger images": (
        IMAGES,
        lambda c: idx(24, 32, 32),
        r"must hold uint8 of shape \(24, 28, 28\), got uint8 of shape \(24, 32, 32\)",
    ),
    "labels like images": (
        LABELS,
        lambda c: idx(24, 28, 28),
        r"must hold uint8 of shape \(24,\), got uint8 of shape \(24, 28, 28\)",
    ),
    "another type": (LABELS, lambda c: b"\0\0\x09" + idx(24)[3:], r"must hold uint8 of shape \(24,\), got int8"),
    "eleven classes": (LABELS, lambda c: idx(24, fill=10), "must hold labels from 0 to 9, got 10"),
    "a page": (IMAGES, lambda c: b"<html>sign in</html>", "is an HTML page"),
    "an archive": (IMAGES, lambda c: b"PK\x03\x04 and so on", "is a zip archive"),
    "something else": (IMAGES, lambda c: b"\x89PNG and so on", "is not idx data"),
}


@pytest.mark.filterwarnings("ignore:.*not verified")
@pytest.mark.parametrize("data_set", LOADERS)
@pytest.mark.parametrize("case", WRONG)
def test_the_error_about_a_wrong_file_is_one_line_and_the_file_is_not_changed(tmp_path, contents, case, data_set):
    name, wrong, problem = WRONG[case]
    load = LOADERS[data_set][1]
    other = {key: gzip.compress(content, mtime=7 if data_set == "mnist" else 8) for key, content in contents.items()}
    for key in NAMES:
        (tmp_path / key).write_bytes(other[key] if key != name else wrong(contents))
    with pytest.raises(BadDataFile, match=problem) as error:
        load("test", tmp_path, download=True)  # does not replace the file, which belongs to the user
    message = str(error.value)
    assert message.startswith(f"{tmp_path / name} ")
    assert message.endswith(f". {ADVICE}")
    assert "\n" not in message
    assert not re.search("delet|remov", message, re.I)
    assert (tmp_path / name).read_bytes() == wrong(contents)


def test_zeros_of_the_shape_of_mnist_are_refused(tmp_path, contents):
    (tmp_path / IMAGES).write_bytes(idx(24, 28, 28))
    with pytest.raises(BadDataFile, match=r"has another content: 18832 bytes, sha256 [0-9a-f]{64}, expected"):
        data.load_mnist("test", tmp_path, download=False)


def test_fashion_mnist_of_the_real_size_is_recognised(tmp_path, monkeypatch):
    monkeypatch.undo()
    write_idx(tmp_path / "t10k-images.idx3-ubyte", np.broadcast_to(np.uint8(7), (10_000, 28, 28)))
    write_idx(tmp_path / "t10k-labels.idx1-ubyte", (np.arange(10_000) % 10).astype(np.uint8))
    for load in (data.load_fashion_mnist, data.load_kmnist):
        with pytest.warns(UserWarning, match=r"t10k-(images\.idx3|labels\.idx1)-ubyte is not verified"):
            images, labels = load("test", tmp_path, download=False)
        assert (images.shape, labels.shape, images[5, 6, 7]) == ((10_000, 28, 28), (10_000,), 7)


def test_different_numbers_of_images_and_labels_are_refused(tmp_path):
    table = {}
    for name, array in (("images", np.zeros((5, 3, 4), np.uint8)), ("labels", np.zeros(6, np.uint8))):
        write_idx(tmp_path / name, array)
        table[name] = files.DataFile(name, hashlib.sha256((tmp_path / name).read_bytes()).hexdigest(), "")
    with pytest.raises(BadDataFile, match=r"labels must hold 5 labels, got shape \(6,\)"):
        mnist.load_idx_images(files.DataSet("Tiny", "tiny", (), {"all": tuple(table.values())}), "all", tmp_path)


@pytest.mark.slow
@needs_kernels
@pytest.mark.parametrize(("data_set", "layout"), [("mnist", "torchvision's"), ("mnist", "flat, from 7-Zip or Kaggle")])
def test_refconv_train_finds_mnist_in_other_layouts(tmp_path, monkeypatch, capsys, contents, data_set, layout):
    for module in ("matplotlib", "tqdm"):
        pytest.importorskip(module)
    put(tmp_path / "data", contents, layout)
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "lenet", "--data", data_set, "--epochs", "1", "--batch-size", "8", "--out", "out"]) == 0
    assert "40 training and 24 test images" in capsys.readouterr().out
    assert (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.slow
@needs_kernels
def test_refconv_train_prints_that_files_are_not_verified(tmp_path, monkeypatch, capsys, contents):
    for module in ("matplotlib", "tqdm"):
        pytest.importorskip(module)
    put(tmp_path / "data", contents, "torchvision's", "fashion-mnist")
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setattr(mnist, "MNIST", dataclasses.replace(mnist.MNIST, splits={}))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "lenet", "--data", "fashion-mnist", "--epochs", "1", "--out", "out"]) == 0
    assert len(re.findall(r"^.*-ubyte is not verified: no SHA-256 sum .*$", capsys.readouterr().err, re.M)) == 4
