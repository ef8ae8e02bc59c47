"""Tests of dense layers as convolutions: scores of each window of a larger image."""

import numpy as np
import pytest

from refconv import models, nn, optim, training
from refconv.training import Ensemble, flips, scales

RNG = np.random.default_rng(5)


def network(dtype=np.float64):
    """Return a classifier without padding whose windows are 12 × 10 pixels, two pixels apart."""
    model = nn.Sequential(
        conv1=nn.Conv2D(3, (3, 5)),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2D(2),
        flatten=nn.Flatten(),
        dropout2=nn.Dropout(0.5),
        dense2=nn.Dense(7),
        tanh2=nn.Tanh(),
        scores=nn.Dense(4, bias=False),
    )
    model.build((12, 10, 2), rng=3, dtype=dtype)
    return model


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_at_the_size_of_the_training_are_the_same(dtype):
    model, x = network(dtype), RNG.normal(size=(3, 12, 10, 2)).astype(dtype)
    dense = nn.fully_convolutional(model)
    np.testing.assert_allclose(dense(x), model(x), rtol=100 * np.finfo(dtype).eps, atol=100 * np.finfo(dtype).eps)
    assert dense(x).dtype == dtype


def test_each_position_of_the_map_has_the_scores_of_one_crop():
    model, x = network(), RNG.normal(size=(3, 17, 14, 2))
    maps = nn.fully_convolutional(model, average=False)(x)
    assert maps.shape == (3, 3, 3, 4)
    for i in range(3):
        for j in range(3):
            np.testing.assert_allclose(maps[:, i, j], model(x[:, 2 * i : 2 * i + 12, 2 * j : 2 * j + 10]), rtol=1e-12)
    np.testing.assert_allclose(nn.fully_convolutional(model)(x), maps.mean((1, 2)), rtol=1e-12)


def test_lenet_on_larger_images_averages_its_crops():
    lenet = models.lenet()
    lenet.build((32, 32, 1), rng=0, dtype=np.float64)
    x = RNG.normal(size=(2, 36, 40, 1))
    crops = [lenet(x[:, i : i + 32, j : j + 32]) for i in (0, 4) for j in (0, 4, 8)]
    np.testing.assert_allclose(nn.fully_convolutional(lenet)(x), np.mean(crops, 0), rtol=1e-10)


def test_vgg_accepts_the_sizes_of_its_tables():
    vgg = models.vgg("A", classes=5, width=1 / 32)
    vgg.build((224, 224, 3), rng=0)
    with pytest.raises(ValueError, match="was built for inputs"):
        vgg(np.zeros((1, 256, 256, 3), np.float32))
    dense = nn.fully_convolutional(vgg)
    assert [dense.output_shape((size, size, 3)) for size in (224, 256, 384, 512)] == 4 * [(5,)]
    maps = nn.fully_convolutional(vgg, average=False)
    assert [maps.output_shape((size, size + 32, 3)) for size in (224, 256, 384, 512)] == [
        (1, 2, 5),
        (2, 3, 5),
        (6, 7, 5),
        (10, 11, 5),
    ]
    x = RNG.random((1, 60, 80, 3), dtype=np.float32)
    scores = Ensemble(dense, views=scales(224, 256, views=flips))(x)
    np.testing.assert_allclose(np.exp(scores).sum(), 1, rtol=1e-5)


def test_weights_are_shared_also_in_training():
    model, x = network(), RNG.normal(size=(3, 12, 10, 2))
    dense = nn.fully_convolutional(model)
    assert np.shares_memory(dense["dense2"].parameters["w"].value, model["dense2"].parameters["w"].value)
    before = model.named_parameters()["dense2.w"].value.copy()
    training.train_step(dense, optim.SGD(dense, lr=0.1), x, np.array([0, 3, 1]))
    assert not (model.named_parameters()["dense2.w"].value == before).all()
    np.testing.assert_allclose(dense(x), model(x), rtol=1e-12)


def test_gradients_are_the_same():
    model, x = network(), RNG.normal(size=(3, 12, 10, 2))
    for layer in (model, nn.fully_convolutional(model)):
        layer["dropout2"].freeze()
    dense = nn.fully_convolutional(model)
    dy, gradients = RNG.normal(size=(3, 4)), []
    for layer in (model, dense):
        layer.zero_grad()
        dx = layer.forward(x)[1](dy)
        gradients.append([dx, *(p.grad.ravel().copy() for p in layer.named_parameters().values())])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_frozen_layers_stay_frozen():
    model = network()
    model["dense2"].freeze()
    names = [name for name, parameter in nn.fully_convolutional(model).named_parameters().items() if parameter.trainable]
    assert names == ["conv1.w", "conv1.b", "scores.w"]


def test_a_network_with_global_pooling_is_returned_as_it_is():
    model = nn.Sequential(nn.Conv2D(3, 3), nn.GlobalAvgPool2D(), nn.Dense(4))
    model.build((5, 6, 2), rng=0)
    assert nn.fully_convolutional(model) is model


def test_a_name_in_use_is_not_replaced():
    model = nn.Sequential(average=nn.AvgPool2D(2), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((4, 6, 2), rng=0)
    assert list(nn.fully_convolutional(model).layers) == ["average", "scores", "average_"]


def test_a_saved_network_is_the_same(tmp_path):
    import refconv

    model, x = network(), RNG.normal(size=(2, 15, 13, 2))
    dense = nn.fully_convolutional(model)
    dense.save(tmp_path / "dense.safetensors")
    np.testing.assert_array_equal(refconv.load(tmp_path / "dense.safetensors")(x), dense(x))


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (nn.Dense(3), TypeError, r"model must be a Sequential, got Dense\(3\)"),
        (nn.Sequential(nn.Flatten(), nn.Dense(3)), RuntimeError, "is not built"),
        (nn.Sequential(nn.Flatten(), nn.Dense(3), nn.Softmax()), TypeError, r"model must have only dense .* got Softmax\(\)"),
        (nn.Sequential(nn.Flatten(), nn.Dense(3), nn.BatchNorm()), TypeError, "model must have only dense .* got BatchNorm"),
        (nn.Sequential(nn.Flatten(), nn.ReLU()), TypeError, "model must have a dense layer after Flatten, got none"),
        (
            nn.Sequential(features=nn.Sequential(pool=nn.MaxPool2D(2), flatten=nn.Flatten()), scores=nn.Dense(3)),
            TypeError,
            r"not in an inner layer, got 'features\.flatten' with input shape \(2, 3, 2\)",
        ),
        (nn.Sequential(nn.MaxPool2D(2, data_format="channels_first"), nn.Flatten(), nn.Dense(3)), ValueError, "channels_last"),
    ],
)
def test_errors(model, error, message):
    if error is not RuntimeError and isinstance(model, nn.Sequential):
        model.build((4, 6, 2), rng=0)
    with pytest.raises(error, match=message):
        nn.fully_convolutional(model)


def test_a_network_on_signals_is_an_error():
    model = nn.Sequential(nn.Conv1D(3, 2), nn.Flatten(), nn.Dense(4))
    model.build((5, 2), rng=0)
    with pytest.raises(TypeError, match=r"Flatten only on images \(H, W, C\).*got '1' with input shape \(4, 3\)"):
        nn.fully_convolutional(model)
