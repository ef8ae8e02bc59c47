"""Tests against Keras 3 itself, through files in both directions."""

import importlib.util
from random import Random

import numpy as np
import pytest

import refconv
from keras_archives import LAYERS, randomized
from outside import benchmark
from refconv import models
from refconv.weights import from_keras, load_keras_weights, to_keras

table, fuzz = benchmark("keras_files"), benchmark("keras_fuzz")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("h5py")
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    keras = table.import_keras()  # importorskip would import Keras before its backend is chosen
    before = keras.config.floatx(), keras.config.dtype_policy()
    yield keras
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.mark.parametrize("dtype", table.TYPES)
def test_layers_agree_in_both_directions(keras, tmp_path, dtype):
    rows = {name: errors for name, errors in table.rows(keras).items() if "." not in name and "refconv" not in name}
    assert len(rows) > 30
    large = {name: found for name, errors in rows.items() if not (found := errors(dtype, tmp_path)).are_small(dtype)}
    assert not large


@pytest.mark.parametrize("dtype", table.TYPES)
def test_layers_of_refconv_agree_in_keras(keras, tmp_path, dtype):
    for name, (layer, shape) in LAYERS.items():
        model = randomized(layer, shape, dtype)
        to_keras(model, tmp_path / "m.keras")
        x = np.random.default_rng(5).standard_normal((2, *shape)).astype(dtype)
        peer = keras.saving.load_model(tmp_path / "m.keras")
        found = table.error(table.output_of(keras, peer, x), model(x))
        assert table.Errors(found, 0.0, table._is_single(keras, peer)).are_small(dtype), name


@pytest.mark.parametrize("name", ["keras.applications.MobileNet", "keras.applications.VGG16", "refconv googlenet-small"])
def test_networks_agree_in_both_directions(keras, tmp_path, name):
    for dtype in table.TYPES:
        assert table.rows(keras)[name](dtype, tmp_path).are_small(dtype)


@pytest.mark.parametrize(("alpha", "shape"), [(0.25, (65, 64, 3)), (0.3, (33, 62, 3))])
def test_mobilenet_takes_the_weights_of_keras(keras, tmp_path, alpha, shape):
    table._select(keras, "float32")
    peer = keras.applications.MobileNet(input_shape=shape, alpha=alpha, weights=None, classes=7, classifier_activation=None)
    peer.set_weights(list(table.randomize([(weight.path, weight.shape) for weight in peer.weights])))
    peer.save_weights(tmp_path / "m.weights.h5")
    model = models.mobilenet(7, alpha, style="keras")
    model.build(shape, rng=1)
    load_keras_weights(model, tmp_path / "m.weights.h5")
    x = np.random.default_rng(2).standard_normal((2, *shape)).astype(np.float32)
    assert table.error(model(x), table.output_of(keras, peer, x)) <= table.LIMITS["float32"]


def test_layers_with_code_are_refused_by_name(keras, tmp_path):
    layers = [keras.layers.Input((3,)), keras.layers.Lambda(lambda x: 2 * x, name="twice")]
    keras.Sequential(layers).save(tmp_path / "m.keras")
    with pytest.raises(refconv.ArgumentError, match=r"layer twice \(Lambda\) cannot be loaded: it contains code"):
        from_keras(tmp_path / "m.keras")


@pytest.mark.parametrize("seed", range(10))
def test_random_graphs_with_shared_layers_agree_in_both_directions(keras, tmp_path, seed):
    table._select(keras, "float32")
    L, random = keras.layers, Random(seed)
    x = L.Input((4, 5, 3))
    tensors, shared = [x], [L.Conv2D(3, 1), L.BatchNormalization()]
    for _ in range(9):
        if random.random() < 0.5:
            layer = random.choice([*shared, L.Conv2D(3, 1), L.ReLU(), L.Dense(3)])
            tensors.append(layer(random.choice(tensors)))
        else:
            join = random.choice([L.Add, L.Average, L.Multiply])()
            tensors.append(join(random.choices(tensors, k=random.choice([2, 3]))))
    peer = keras.Model(x, L.Concatenate()(tensors))
    peer.set_weights(list(table.randomize([(weight.path, weight.shape) for weight in peer.weights])))
    peer.save(tmp_path / "m.keras")
    batch = np.random.default_rng(seed).standard_normal((2, 4, 5, 3)).astype("float32")
    expected = table.output_of(keras, peer, batch)
    model = from_keras(tmp_path / "m.keras")
    assert table.error(model(batch), expected) <= table.LIMITS["float32"]
    to_keras(model, tmp_path / "again.keras")
    again = keras.saving.load_model(tmp_path / "again.keras")
    assert table.error(table.output_of(keras, again, batch), expected) <= table.LIMITS["float32"]


def test_damaged_files_are_loaded_or_refused():
    pytest.importorskip("h5py")
    counts, crashes = fuzz.run(200)
    assert not crashes
    assert sum(counts.values()) == 200
    assert sum(n for (_, result), n in counts.items() if result == "refused") > 100
