"""Tests of a training step (loss, auxiliary heads, clipping) and of evaluation."""

import numpy as np
import pytest

from evidence import assert_same_sums, engines
from refconv import data, nn, optim
from refconv.ops.loss import softmax_cross_entropy
from refconv.training import CrossEntropy, accuracy, evaluate, top_k_accuracy, train_step
from refconv.training.checkpoint import generators

X = np.random.default_rng(0).standard_normal((5, 4))
LABELS = np.array([0, 2, 1, 2, 2])


class WithHead(nn.Layer):
    """Network that returns scores, and in training also the scores of an auxiliary head."""

    def __init__(self):
        self.body, self.main, self.aux = nn.Dense(6), nn.Dense(3), nn.Dense(3)

    def named_layers(self):
        return iter({"body": self.body, "main": self.main, "aux": self.aux}.items())

    def children(self, shape):
        yield "body", self.body, shape
        yield "main", self.main, (6,)
        yield "aux", self.aux, (6,)

    def output_shape(self, shape):
        return (3,)

    def forward(self, x, train=True):
        hidden, back = self.body.forward(x, train)
        scores, back_main = self.main.forward(hidden, train)
        if not train:
            return scores, lambda dy, want_dx=True: back(back_main(dy), want_dx)
        aux, back_aux = self.aux.forward(hidden, train)
        return (scores, aux), lambda dy, want_dx=True: back(back_main(dy[0]) + back_aux(dy[1]), want_dx)


def built(model, shape=(4,)):
    model.build(shape, rng=1, dtype=np.float64)
    return model


@engines
def test_the_loss_of_an_auxiliary_head_has_weight_three_tenths():
    """A22: the loss of an auxiliary classifier has weight 0.3."""
    model = built(WithHead())
    hidden = model.body(X)
    main, aux = (softmax_cross_entropy(head(hidden), LABELS) for head in (model.main, model.aux))
    loss, scores = train_step(model, optim.SGD(model, 0.0), X, LABELS)
    assert loss == pytest.approx(main[0] + 0.3 * aux[0], rel=1e-12)
    assert scores.shape == (5, 3)
    assert_same_sums(model.main.parameters["w"].grad, lambda x, dy: x.T @ dy, hidden, main[1], terms=len(X))
    assert_same_sums(model.aux.parameters["w"].grad, lambda x, dy: x.T @ dy, hidden, 0.3 * aux[1], terms=len(X))
    assert evaluate(model, [(X, LABELS)]).loss == pytest.approx(float(main[0]))


def test_label_smoothing_changes_only_the_training_loss():
    """A19: label smoothing of 0.1 changes the training loss and not the evaluation."""
    model = built(nn.Dense(3))
    expected, slope = softmax_cross_entropy(model(X), LABELS, label_smoothing=0.1)
    before = evaluate(model, [(X, LABELS)]).loss
    loss, _ = train_step(model, optim.SGD(model, 0.0), X, LABELS, loss=CrossEntropy(0.1))
    assert loss == pytest.approx(expected, rel=1e-12)
    assert loss != pytest.approx(before, rel=1e-3)
    assert_same_sums(model.parameters["w"].grad, lambda x, dy: x.T @ dy, X, slope, terms=len(X))


def test_a_step_with_clipped_gradients_has_the_length_lr_times_clip_norm():
    """A20: gradients are clipped at norm 2.0."""
    model = built(nn.Dense(3))
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    train_step(model, optim.SGD(model, 0.5), 100 * X, LABELS, clip_norm=2.0)
    moved = np.sqrt(sum(np.sum((p.value - before[name]) ** 2) for name, p in model.named_parameters().items()))
    assert moved == pytest.approx(0.5 * 2.0, rel=1e-12)


def test_an_optimizer_made_before_the_last_build_is_refused_and_nothing_changes():
    """Check the error: an optimiser of old parameters would leave the network unchanged."""
    model = nn.Sequential(nn.BatchNorm(), nn.Dense(3))
    model.build((5,), rng=0, dtype=np.float64)
    optimizer = optim.SGD(model, 0.1)
    model.build(X.shape[1:], rng=0, dtype=np.float64)
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    with pytest.raises(ValueError, match=r"optimizer must be made for the parameters of model, .* make a new optimizer"):
        train_step(model, optimizer, X, LABELS)
    for name, parameter in model.named_parameters().items():
        np.testing.assert_array_equal(parameter.value, before[name])


def test_evaluation_changes_no_state():
    drop = nn.Sequential(nn.Dense(4), nn.Dropout(0.5))
    model = built(nn.Sequential(nn.BatchNorm(), nn.Sum(nn.Identity(), nn.StochasticDepth(drop, 0.5)), nn.Dense(3)))
    optimizer = optim.SGD(model, 0.1, momentum=0.9)
    train_step(model, optimizer, X, LABELS)

    def all_state():
        arrays = [a for p in model.named_parameters().values() for a in (p.value, p.grad) if a is not None]
        states = [rng.bit_generator.state for rng in generators(model).values()]
        return [a.tobytes() for a in arrays] + states + [a.tobytes() for a in optimizer.state().values()]

    before = all_state()
    assert len(generators(model)) == 2
    evaluate(model, [(X, LABELS)])
    model.activations(X, "1.1")
    assert all_state() == before
    train_step(model, optimizer, X, LABELS)
    assert all_state() != before


def test_evaluate_returns_top_five_accuracy_and_the_confusion_matrix():
    scores = np.array([[0.0, 1, 2, 3, 4, 5], [6, 5, 4, 3, 2, 1], [0, 9, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    labels = np.array([0, 2, 1, 5])
    metrics = {"accuracy": accuracy, "top5": top_k_accuracy(5)}
    evaluation = evaluate(lambda x: x, data.Batches(scores, labels, 3, shuffle=False), metrics=metrics)
    assert evaluation.accuracy == 0.25
    assert evaluation.metrics["top5"] == 0.5  # the last example has six equal scores, so class 5 ranks sixth
    assert evaluation.predictions.tolist() == [5, 0, 1, 0]
    expected = np.zeros((6, 6), int)
    expected[[0, 2, 1, 5], [5, 0, 1, 0]] = 1
    assert (evaluation.confusion() == expected).all()
    with np.errstate(invalid="ignore"):
        not_finite = [(np.full((2, 7), np.nan), np.array([0, 3]))]
        assert evaluate(lambda x: x, not_finite, metrics=metrics).metrics["top5"] == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrossEntropy(1.5), "label_smoothing must be from 0"),
        (lambda: CrossEntropy(aux_weight=-1), "aux_weight must be at least 0"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_users_loss_receives_the_targets_unchanged():
    model, targets = nn.Conv2D(3, 1), np.arange(5 * 2 * 7, dtype=np.uint8).reshape(5, 2, 7) % 3
    model.build((2, 7, 4), rng=0, dtype=np.float64)
    seen = []

    def of_each_pixel(scores, labels):
        seen.append(labels)
        loss, dscores = softmax_cross_entropy(scores.reshape(-1, 3), labels.ravel())
        return loss, dscores.reshape(scores.shape)

    x = np.random.default_rng(1).standard_normal((5, 2, 7, 4))
    _, scores = train_step(model, optim.SGD(model, 0.1), x, targets, loss=of_each_pixel)
    assert seen[0] is targets
    assert scores.shape == (5, 2, 7, 3)


def test_cross_entropy_of_each_pixel_is_trained_and_labels_of_images_are_refused():
    """Check scores (N, H, W, K) with labels (N, H, W), and that labels (N,) are refused."""
    x = np.random.default_rng(1).standard_normal((5, 2, 7, 4))
    targets = np.arange(5 * 2 * 7, dtype=np.uint8).reshape(5, 2, 7) % 3
    model = built(nn.Conv2D(3, 1), (2, 7, 4))
    scores = model(x)
    expected, slope = softmax_cross_entropy(scores.reshape(-1, 3), targets.ravel())
    before = model.named_parameters()["w"].value.copy()
    loss, returned_scores = train_step(model, optim.SGD(model, 0.5), x, targets)
    assert loss == pytest.approx(expected, rel=1e-13)
    np.testing.assert_array_equal(returned_scores, scores)
    moved = -0.5 * np.einsum("nhwi,nhwo->io", x, slope.reshape(scores.shape))
    np.testing.assert_allclose(model.named_parameters()["w"].value - before, moved[None, None], rtol=1e-10)
    with pytest.raises(ValueError, match=r"labels must have shape \(5, 2, 7\), got \(5,\)"):
        train_step(model, optim.SGD(model, 0.1), x, targets[:, 0, 0])
