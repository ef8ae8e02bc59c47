"""Tests that networks with torchvision's weights compute what torchvision computes."""

import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import refconv
from refconv import models, nn, weights
from refconv.data import Preprocessing
from refconv.models.torchvision import TORCHVISION

ROOT = Path(refconv.__file__).parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)
sys.path.append(str(ROOT))
torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

from benchmarks import torchvision_networks as comparison  # noqa: E402
from benchmarks.fuzzing import zip_of, zipped  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dtype", comparison.LIMITS)
@pytest.mark.parametrize("name", TORCHVISION)
def test_scores_and_gradients_are_those_of_torchvision(name, dtype):
    limit = comparison.LIMITS[dtype]
    theirs, ours = comparison.networks(name, dtype)
    assert comparison.logit_error(name, theirs, ours, dtype) <= limit
    gradients = comparison.training_pass(name, theirs, ours, dtype)
    assert gradients.actual.keys() == gradients.expected.keys()
    assert gradients.vector_error <= gradients.vector_limit
    assert not [difference for difference in gradients.differences() if difference.ratio > 1]


@pytest.mark.parametrize("name", TORCHVISION)
def test_weights_written_for_torchvision_are_loaded_by_it(tmp_path, name):
    theirs, ours = comparison.networks(name, "float64")
    expected = {key: tensor.numpy().copy() for key, tensor in theirs.state_dict().items()}
    path = tmp_path / "weights.pth"
    weights.to_torch(ours, path)
    for tensor in theirs.state_dict().values():
        tensor.zero_()
    theirs.load_state_dict(torch.load(path, weights_only=True), strict=True)
    assert all((tensor.numpy() == expected[key]).all() for key, tensor in theirs.state_dict().items())


def test_the_ending_of_a_file_of_torch_save_may_be_in_capitals(tmp_path):
    model = nn.Dense(3)
    model.build((2,), rng=0)
    state_dict = weights.to_torch(model, tmp_path / "weights.PTH")
    written = torch.load(tmp_path / "weights.PTH", weights_only=True)
    assert (written["weight"].numpy() == state_dict["weight"]).all()


def test_running_averages_after_a_step_are_those_of_pytorch():
    theirs, ours = comparison.networks("resnet18", "float64")
    comparison.training_pass("resnet18", theirs, ours, "float64")
    expected, actual = theirs.state_dict(), weights.to_torch(ours)
    for key, tensor in expected.items():
        if key.endswith(("running_mean", "num_batches_tracked")):
            np.testing.assert_allclose(actual[key], tensor.numpy(), rtol=1e-9, atol=1e-12)


def test_networks_without_auxiliary_heads_and_with_other_numbers_of_classes_are_created(tmp_path):
    theirs = torchvision.models.googlenet(aux_logits=False, init_weights=False, num_classes=6, transform_input=True).eval()
    torch.save(theirs.state_dict(), tmp_path / "g.pth")
    ours = models.create("googlenet", weights=tmp_path / "g.pth")
    assert isinstance(ours, nn.Sequential)
    images = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(np.moveaxis(images, -1, 1).copy())).numpy()
    np.testing.assert_allclose(ours(images), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("size", [(375, 500), (301, 257), (224, 224), (256, 257)])
@pytest.mark.parametrize("resize", [256, 232])
def test_pictures_are_prepared_as_in_torchvision(tmp_path, size, resize):
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    picture.save(tmp_path / "picture.png")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = torchvision.transforms._presets.ImageClassification(crop_size=224, resize_size=resize)(picture).numpy()
    prepare = Preprocessing(224, mean, std, shorter_side=resize)
    actual = prepare(prepare.read(tmp_path / "picture.png")[None])[0]
    np.testing.assert_allclose(actual, np.moveaxis(expected, 0, -1), atol=1e-6)


class Payload:
    """Object whose unpickling would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "run"))


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_of_torch_save_is_not_run(tmp_path, legacy):
    model = nn.Dense(3)
    model.build((2,), rng=0)
    before = model.parameters["w"].value.copy()
    state = {"weight": torch.zeros(3, 2), "bias": torch.zeros(3), "payload": Payload(tmp_path / "written")}
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ValueError, match=r"w.pth must contain a state dict, got other objects; in PyTorch, write"):
        weights.from_torch(model, tmp_path / "w.pth")
    assert not (tmp_path / "written").exists()
    assert (model.parameters["w"].value == before).all()


def test_other_content_and_damaged_files_are_refused_by_name(tmp_path):
    model = nn.Dense(3)
    model.build((2,), rng=0)
    state = {"weight": torch.zeros(3, 2), "bias": torch.zeros(3)}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "checkpoint.pth")
    message = r"checkpoint.pth must contain a dict of tensors, got a dict with 'epoch': int, .*pass its entry 'state_dict'"
    with pytest.raises(ValueError, match=message):
        weights.from_torch(model, tmp_path / "checkpoint.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list.pth must contain a dict of tensors, got list"):
        weights.from_torch(model, tmp_path / "list.pth")
    message = (
        r"net.pth must contain a state dict, got other objects; in PyTorch, write torch.save\(model.state_dict\(\), path\)$"
    )
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 3)), tmp_path / "net.pth")
    with pytest.raises(ValueError, match=message):
        weights.from_torch(model, tmp_path / "net.pth")
    torch.save(state, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"w.pth is not a state dict of torch.save, or is damaged"):
        weights.from_torch(model, tmp_path / "w.pth")
    (tmp_path / "p.pth").write_bytes(pickle.dumps(state))
    with pytest.raises(ValueError, match=r"p.pth is not a safetensors file"):
        weights.from_torch(model, tmp_path / "p.pth")


def test_old_versions_of_pytorch_are_refused(tmp_path, monkeypatch):
    torch.save({"weight": torch.zeros(3, 2)}, tmp_path / "w.pth")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(ValueError, match=r"w.pth must be a safetensors file, .*PyTorch 2.5.1\+cpu may run code"):
        weights.from_torch(nn.Dense(3), tmp_path / "w.pth", input_shape=(2,))


def test_damaged_lists_of_members_are_refused_by_name(tmp_path):
    torch.save({"weight": torch.zeros(3, 2), "bias": torch.zeros(3)}, tmp_path / "w.pth")
    members = [*zipped((tmp_path / "w.pth").read_bytes()).items()]
    with pytest.warns(UserWarning, match="Duplicate name"):
        (tmp_path / "twice.pth").write_bytes(zip_of([*members, members[-1]]))
    with pytest.raises(ValueError, match=r"twice.pth is damaged: the names of its members must be unique"):
        weights.from_torch(nn.Dense(3), tmp_path / "twice.pth", input_shape=(2,))
    content = zip_of(members)
    (tmp_path / "version.pth").write_bytes(content.replace(b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\xff"))
    with pytest.raises(ValueError, match=r"version.pth is not a state dict of torch.save, or is damaged: zip file version"):
        weights.from_torch(nn.Dense(3), tmp_path / "version.pth", input_shape=(2,))


def test_tensors_that_share_their_elements_may_not_be_many(tmp_path):
    kernel = torch.zeros(100, 80, dtype=torch.bfloat16)
    state = {f"{k}.weight": kernel for k in range(3)}
    torch.save(state, tmp_path / "tied.pth")
    model = nn.Sequential(nn.Dense(100, bias=False))
    assert weights.from_torch(model, tmp_path / "tied.pth", input_shape=(80,), strict=False).missing_keys == []
    torch.save({f"{k}.weight": kernel for k in range(100)}, tmp_path / "many.pth")
    with pytest.raises(
        ValueError, match=r"many.pth must contain tensors of at most \d+ bytes in all, for its size, got 1600000"
    ):
        weights.from_torch(model, tmp_path / "many.pth", strict=False)


def test_bfloat16_tensors_are_read_as_float32(tmp_path):
    state = {"weight": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16), "bias": torch.tensor([3.0], dtype=torch.float16)}
    torch.save(state, tmp_path / "w.pth")
    model = nn.Dense(1)
    assert weights.from_torch(model, tmp_path / "w.pth", input_shape=(2,)) == ([], [])
    assert model.parameters["w"].value.tolist() == [[1.5], [-2.0]]


def test_tensors_that_numpy_lacks_are_refused_by_name(tmp_path):
    tensors = {
        "torch.float8_e4m3fn": torch.zeros(2).to(torch.float8_e4m3fn),
        "torch.float32": torch.zeros(2, device="meta"),
    }
    for kind, tensor in tensors.items():
        torch.save({"weight": tensor}, tmp_path / "w.pth")
        with pytest.raises(ValueError, match=rf"w.pth must contain .*, got .*{kind}.* for 'weight'"):
            weights.from_torch(nn.Dense(2), tmp_path / "w.pth", input_shape=(2,))
    with pytest.raises(
        TypeError, match=r"must contain dense tensors of types of NumPy, got torch.float32 torch.sparse_coo for"
    ):
        weights.from_torch(nn.Dense(2), {"weight": torch.zeros(2).to_sparse()}, input_shape=(2,))


def test_small_files_with_large_tensors_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(1).expand(3, 2), "bias": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w.pth must contain all elements of each tensor, got fewer for 'weight'"):
        weights.from_torch(nn.Dense(3), tmp_path / "w.pth", input_shape=(2,))
    torch.save({"weight": torch.zeros(3, 2), "bias": torch.zeros(3)}, tmp_path / "w.pth")
    with (
        zipfile.ZipFile(tmp_path / "w.pth") as stored,
        zipfile.ZipFile(tmp_path / "z.pth", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    with pytest.raises(ValueError, match=r"z.pth must contain its tensors without compression"):
        weights.from_torch(nn.Dense(3), tmp_path / "z.pth", input_shape=(2,))
    assert weights.from_torch(nn.Dense(3), tmp_path / "w.pth", input_shape=(2,)) == ([], [])
