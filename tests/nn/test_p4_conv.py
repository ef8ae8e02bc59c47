"""Tests of the layers on p4: shapes, counts, gradients, and invariant networks."""

import numpy as np
import pytest

import refconv
from evidence import needs_kernels
from layer_evidence import assert_layer, built, random_input
from refconv import nn, ops, optim
from refconv.analysis.receptive_field import receptive_field
from refconv.training import fit
from refconv.verify import check_layer
from refconv.verify.catalogue.p4_conv import turned


def network(outputs=3):
    """Return a small network that is invariant to rotations by 90°."""
    return nn.Sequential(
        lift=nn.P4ConvLift2D(2, 3, padding="same"),
        relu1=nn.ReLU(),
        pool=nn.P4MaxPool2D(2),
        conv=nn.P4Conv2D(5, 3),
        norm=nn.P4BatchNorm(),
        relu2=nn.ReLU(),
        group=nn.P4GroupPool(),
        mean=nn.GlobalAvgPool2D(),
        scores=nn.Dense(outputs),
    )


SHAPE = (8, 10, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.P4ConvLift2D(4, 3), (5, 6, 2)),
        (lambda: nn.P4ConvLift2D(3, 2, padding=1, bias=False), (4, 5, 2)),
        (lambda: nn.P4Conv2D(3, 2), (4, 3, 4, 2)),
        (lambda: nn.P4Conv2D(2, 3, padding="same", bias=False), (3, 5, 4, 1)),
        (lambda: nn.P4GroupPool(), (3, 5, 4, 2)),
        (lambda: nn.P4GroupPool("mean"), (3, 5, 4, 2)),
        (lambda: nn.P4MaxPool2D(2), (4, 6, 4, 3)),
        (lambda: nn.P4BatchNorm(), (2, 3, 4, 5)),
    ],
)
def test_p4_layers_satisfy_the_requirements_of_layers(layer, shape):
    assert_layer(layer(), shape)


def test_the_layers_compute_the_operators():
    x, x4 = random_input((5, 6, 3)), random_input((5, 6, 4, 3))
    layer = built(nn.P4ConvLift2D(2, 3, padding="same"), (5, 6, 3))
    w, b = (layer.parameters[name].value for name in "wb")
    assert (layer(x) == ops.p4_conv.p4_lift_conv2d(x, w, b, padding="same")).all()
    layer = built(nn.P4Conv2D(2, 2, padding=1), (5, 6, 4, 3))
    w, b = (layer.parameters[name].value for name in "wb")
    assert (layer(x4) == ops.p4_conv.p4_conv2d(x4, w, b, padding=1)).all()


def test_pooling_over_rotations_and_in_space_computed_by_hand():
    x = np.array([[1.0, 40], [2, 30], [3, 20], [6, 10]]).reshape(1, 1, 1, 4, 2)
    y, backward = nn.P4GroupPool().forward(x)
    assert y.tolist() == [[[[6, 40]]]]
    assert backward(np.array([5.0, 7]).reshape(y.shape)).ravel().tolist() == [0, 7, 0, 0, 0, 0, 5, 0]
    assert nn.P4GroupPool("mean")(x).tolist() == [[[[3, 25]]]]
    in_space = np.array([[0, 1, 2, 3], [10, 0, 30, 20]] * 2, float).reshape(1, 2, 2, 4, 1)
    assert nn.P4MaxPool2D(2)(in_space).ravel().tolist() == [10, 1, 30, 20]


def test_batch_normalisation_in_training_is_equivariant_and_so_are_its_averages():
    """D9: all rotations share the mean, the variance, γ and β."""
    x = random_input((3, 5, 4, 2))
    upright, rotated = (built(nn.P4BatchNorm(), shape) for shape in ((3, 5, 4, 2), (5, 3, 4, 2)))
    (y, backward), (y_rotated, backward_rotated) = upright.forward(x), rotated.forward(turned(x))
    np.testing.assert_allclose(y_rotated, turned(y), rtol=0, atol=1e-13)
    np.testing.assert_allclose(backward_rotated(turned(x**2)), turned(backward(x**2)), rtol=0, atol=1e-12)
    for name in ("mean", "var"):
        np.testing.assert_allclose(upright.parameters[name].value, rotated.parameters[name].value, rtol=1e-13)


def test_multiply_adds_count_each_product_of_the_formula():
    lift = nn.P4ConvLift2D(8, 5)
    assert lift.multiply_adds((28, 31, 3)) == (24 * 27) * (4 * 8) * (5 * 5 * 3)
    assert lift.count_parameters((28, 31, 3)) == 5 * 5 * 3 * 8 + 8
    conv = nn.P4Conv2D(7, 3, padding="same", bias=False)
    assert conv.multiply_adds((14, 15, 4, 6)) == (14 * 15) * (4 * 7) * (3 * 3 * 4 * 6)
    assert conv.count_parameters((14, 15, 4, 6)) == 3 * 3 * 4 * 6 * 7


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.P4ConvLift2D(0, 3), ValueError, "filters must be at least 1"),
        (lambda: nn.P4ConvLift2D(4, (3, 2)), ValueError, r"kernel_size must be square, .*got \(3, 2\)"),
        (lambda: nn.P4Conv2D(4, 2, padding="same"), ValueError, "padding must add equal zeros on all sides"),
        (lambda: nn.P4Conv2D(4, 3, stride=2), TypeError, "P4Conv2D has no argument stride=2"),
        (lambda: nn.P4Conv2D(4, 3, bias="x"), TypeError, "bias must be True or False"),
        (lambda: nn.P4ConvLift2D(4, 3).output_shape((5, 5)), ValueError, "must be an image"),
        (lambda: nn.P4Conv2D(4, 3).output_shape((5, 5, 3)), ValueError, "must be a function on p4 .*P4ConvLift2D makes"),
        (lambda: nn.P4Conv2D(4, 3).output_shape((5, 5, 3, 2)), ValueError, r"on p4 .*got shape \(5, 5, 3, 2\)"),
        (lambda: nn.P4Conv2D(4, 3).output_shape((2, 5, 4, 1)), ValueError, "at least as large as the kernel"),
        (lambda: nn.P4GroupPool("sum"), ValueError, "statistic must be 'max' or 'mean', got 'sum'"),
        (lambda: nn.P4GroupPool().output_shape((5, 6, 2)), ValueError, "must be a function on p4"),
        (lambda: nn.P4MaxPool2D(0), ValueError, "kernel_size must be at least 1"),
        (lambda: nn.P4BatchNorm().output_shape((5, 6, 2)), ValueError, "must be a function on p4"),
        (lambda: nn.P4BatchNorm(data_format="channels_first"), TypeError, "P4BatchNorm has no argument data_format"),
        (lambda: nn.P4MaxPool2D(2).output_shape((4, 5, 4, 1)), ValueError, "are multiples of 2, got 4 × 5"),
    ],
)
def test_invalid_arguments_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_repr_shows_the_arguments_that_differ_from_their_defaults():
    assert repr(nn.P4ConvLift2D(6, 5)) == "P4ConvLift2D(6, 5×5)"
    assert repr(nn.P4Conv2D(6, 3, padding="same")) == "P4Conv2D(6, 3×3, padding same)"
    assert [repr(nn.P4GroupPool()), repr(nn.P4GroupPool("mean"))] == ["P4GroupPool()", "P4GroupPool('mean')"]
    assert [repr(nn.P4MaxPool2D(2)), repr(nn.P4BatchNorm(eps=0.5))] == ["P4MaxPool2D(2)", "P4BatchNorm(eps=0.5)"]


def test_captions_name_the_operation():
    assert nn.P4ConvLift2D(6, 5).caption() == "5×5 p4 lifting conv, 6"
    assert nn.P4Conv2D(6, 3).caption() == "3×3 p4 conv, 6"
    assert nn.P4GroupPool("mean").caption() == "mean of 4 rotations"
    assert nn.P4MaxPool2D(2).caption() == "2×2 max pool"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_are_invariant_to_rotations_by_90_degrees(dtype):
    """D9: pooling over rotations and positions makes an equivariant network invariant."""
    model = built(network(), SHAPE, dtype=dtype)
    x = random_input(SHAPE, dtype=dtype)
    scores, largest = model(x), np.abs(model(x)).max()
    for times in range(1, 4):
        # The same products, added in another order: at most 100 of them in a sum, in three layers.
        assert np.abs(model(turned(x, times)) - scores).max() <= 300 * np.finfo(dtype).eps * largest
    assert np.abs(model(x[:, ::-1]) - scores).max() > 1e-3 * largest  # a reflection is no rotation


def test_activations_rotate_with_the_image():
    """D9: each activation rotates in space and shifts its rotation axis."""
    model, x = built(network(), SHAPE), random_input(SHAPE)
    for name in ("lift", "pool", "conv", "norm", "group"):
        activations, expected = model.activations(turned(x), name), turned(model.activations(x, name))
        np.testing.assert_allclose(activations, expected, rtol=0, atol=1e-13)


def test_the_scores_of_a_plain_network_change_with_a_rotation():
    plain = nn.Sequential(nn.Conv2D(4, 3, padding="same"), nn.ReLU(), nn.GlobalAvgPool2D(), nn.Dense(3))
    x = random_input(SHAPE)
    built(plain, SHAPE)
    assert np.abs(plain(turned(x)) - plain(x)).max() > 1e-3


@pytest.mark.slow
def test_the_network_passes_the_check_of_layers(capsys):
    assert check_layer(network(), SHAPE)
    assert check_layer(nn.P4Conv2D(2, 3), (4, 5, 4, 3))
    capsys.readouterr()


def test_a_saved_network_computes_the_same(tmp_path):
    model, x = built(network(), SHAPE, dtype=np.float32), random_input(SHAPE, dtype=np.float32)
    model.save(tmp_path / "p4.safetensors")
    assert (refconv.load(tmp_path / "p4.safetensors")(x) == model(x)).all()


def test_the_summary_lists_the_shapes_on_p4(capsys):
    model = network()
    model.build(SHAPE)
    model.summary()
    printed = capsys.readouterr().out
    assert "P4ConvLift2D(2, 3×3, padding same)  8 × 10 × 4 × 2" in printed
    assert "P4GroupPool()" in printed


def test_the_receptive_field_counts_pixels_and_all_rotations():
    model = network()
    assert receptive_field(model[:4], SHAPE) == (8, 8)  # 3 pixels, 1 more by pooling, 2·2 more by the second kernel
    assert receptive_field(nn.P4Conv2D(2, 3), (5, 6, 4, 1)) == (3, 3, 4)


@needs_kernels
def test_training_lowers_the_loss_and_keeps_the_invariance():
    # Horizontal bars of two lengths; the class is the length.
    rng = np.random.default_rng(0)
    images, labels = np.zeros((64, 8, 8, 1), np.float32), np.arange(64) % 2
    for image, label in zip(images, labels, strict=True):
        image[rng.integers(8), : 3 + 4 * label] = 1
    model = network(outputs=2)
    model.build((8, 8, 1), rng=0)
    history = fit(model, [(images, labels)], optim.Adam(model, 0.02), epochs=30)
    assert history.epochs[-1].train_loss < 0.5 * history.epochs[0].train_loss
    predictions = model(images).argmax(-1)
    assert (model(turned(images)).argmax(-1) == predictions).all()
