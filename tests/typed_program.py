"""Example of a typed user program: layer, network, training, saving, operators and settings.

``mypy --strict`` reads this file together with the package, and tests/test_types.py runs it.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import refconv
from refconv import data, models, nn, optim, training, verify
from refconv.data import augment
from refconv.typing import Array, Backward, Shape


class ChannelScale(nn.Layer):
    """Layer that multiplies each channel by a factor."""

    def __init__(self, first: float = 1.0) -> None:
        super().__init__()
        self.first = first

    def specs(self, shape: Shape) -> dict[str, nn.Spec]:
        return {"s": nn.Spec(shape[-1:], self.first_values)}

    def first_values(self, rng: np.random.Generator, shape: Shape) -> Array:
        return np.full(shape, self.first)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        s = self.parameters["s"]

        def backward(dy: Array, want_dx: bool = True) -> Array | None:
            s.grad += (dy * x).sum(axis=tuple(range(x.ndim - 1)))
            return dy * s.value if want_dx else None

        return x * s.value, backward


class SmallNetwork(nn.Sequential):
    """Network of two convolutions and a dense layer for any number of classes."""

    def __init__(self, classes: int, filters: Sequence[int] = (6, 8)) -> None:
        first, second = filters
        super().__init__(
            conv1=nn.Conv2D(first, (5, 3), stride=2, padding="same"),
            bn1=nn.BatchNorm(),
            relu1=nn.ReLU(),
            scale1=ChannelScale(0.5),
            pool1=nn.MaxPool2D(2),
            conv2=nn.Conv2D(second, 3, padding=((1, 1), (0, 2)), bias=False),
            relu2=nn.ReLU(),
            drop2=nn.Dropout(0.1),
            pool2=nn.GlobalAvgPool2D(),
            scores=nn.Dense(classes),
        )


class Losses(training.Callback):
    """Callback that stores the loss of each epoch and stops the run when it is small."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_epoch_end(self, run: training.Run) -> None:
        self.losses.append(run.history.epochs[-1].train_loss)
        if self.losses[-1] < 0.01:
            run.stop = True


def scaled(images: Array) -> Array:
    """Convert bytes (N, H, W) to float32 (N, H, W, 1) from 0 to 1."""
    return (images[..., None] / 255).astype(np.float32)


def confidence(scores: Array, targets: Array) -> float:
    """Return the mean of the largest probability, as an example of a user's metric."""
    return float(refconv.softmax(scores).max(axis=-1).mean())


def train(folder: Path) -> tuple[nn.Layer, training.History]:
    """Train the network on drawn digits and write the history into the folder."""
    images, labels = data.draw_digits(96, seed=3)
    (x, y), (held_x, held_y) = data.split(images, labels, 1 / 3, rng=0)
    batches = data.Batches(x, y, 16, rng=1, prepare=scaled, augment=augment.chain(augment.crop(28, pad=2), augment.shift(1)))
    held_out = data.Batches(held_x, held_y, 16, shuffle=False, prepare=scaled)
    model = SmallNetwork(classes=10)
    model.build((28, 28, 1), rng=0)
    optimizer = optim.SGD(model, lr=0.05, momentum=0.9, weight_decay=1e-4, groups={"*.b": {"weight_decay": 0.0}})
    history = training.fit(
        model,
        batches,
        optimizer,
        epochs=2,
        validation=held_out,
        loss=training.CrossEntropy(label_smoothing=0.1),
        metrics={"accuracy": training.accuracy, "top 3": training.top_k_accuracy(3), "confidence": confidence},
        schedule=optim.cosine,
        clip_norm=5.0,
        callbacks=[Losses(), training.EarlyStopping(5), training.CSVLogger(folder / "history.csv")],
    )
    evaluation = training.evaluate(model, held_out, metrics={"accuracy": training.accuracy})
    print(f"loss {evaluation.loss:.3f}, accuracy {evaluation.metrics['accuracy']:.3f}")
    return model, history


def save_and_load(model: nn.Layer, folder: Path, x: Array) -> Array:
    """Return the probabilities of a saved and loaded network, which equal the original ones."""
    model.save(folder / "digits.safetensors", notes={"epochs": 2})
    loaded = refconv.load(folder / "digits.safetensors", layers=[ChannelScale, SmallNetwork])
    model.save_weights(folder / "weights.safetensors")
    loaded.load_weights(folder / "weights.safetensors")
    probabilities = training.predict_proba(loaded, x, batch_size=8)
    np.testing.assert_array_equal(probabilities, training.predict_proba(model, x, batch_size=8))
    return probabilities


def derivative(x: Array, w: Array) -> Array:
    """Return ∂e/∂w of e = ½ Σ y², computed with the loops."""
    with refconv.config(engine="reference", threads=1) as settings:
        assert settings.engine == "reference"
        y = refconv.conv2d(x, w, padding="same", stride=(2, 1))
        return refconv.conv2d_dw(x, y, w.shape[:2], padding="same", stride=(2, 1))


def main() -> None:
    """Run each part of the program."""
    verify.check_layer(ChannelScale(), (5, 4, 3))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, history = train(folder)
        print([f"{epoch.train_loss:.2f}" for epoch in history.epochs])
        probabilities = save_and_load(model, folder, scaled(data.draw_digits(9)[0]))
        print(probabilities.shape)
    rng = np.random.default_rng(5)
    print(derivative(rng.normal(size=(2, 5, 4, 3)), rng.normal(size=(3, 2, 3, 6))).shape)
    vgg: nn.Layer = models.create("vgg11", classes=7)
    print(f"{vgg.count_parameters((224, 224, 3)):,}")


if TYPE_CHECKING:  # a type checker must infer these types; none of them may be Any
    from typing_extensions import assert_type

    assert_type(refconv.conv2d([[[[1]]]], [[[[2]]]]), Array)
    assert_type(refconv.max_pool2d_with_argmax(np.ones((1, 4, 4, 1)), 2), tuple[Array, Array])
    assert_type(refconv.get_config().threads, int)
    assert_type(nn.ReLU()(np.ones(3)), Array)
    assert_type(nn.Dense(2).build((3,)), Shape)
    assert_type(nn.Sequential(nn.ReLU())[0], nn.Layer)
    assert_type(nn.Sequential(nn.ReLU(), nn.Flatten())[:1], nn.Sequential)
    assert_type(nn.Dense(2).freeze(), nn.Dense)
    assert_type(nn.Dense(2).parameters["w"].value, Array)
    assert_type(models.lenet().named_parameters(), dict[str, nn.Parameter])
    assert_type(models.names(), list[str])
    assert_type(data.draw_digits(3), tuple[Array, Array])
    assert_type(training.predict(nn.ReLU(), np.ones((2, 3))), Array)
    assert_type(refconv.load("model"), nn.Layer)

    # A type checker must refuse these calls. If one does not raise an error, mypy reports an unused ignore.
    refconv.conv2d([[[[1]]]], [[[[2]]]], stride="2")  # type: ignore[arg-type]
    refconv.conv2d([[[[1]]]], [[[[2]]]], strides=2)  # type: ignore[call-arg]
    refconv.sigmoid_dx([1], [2])  # type: ignore[call-arg]
    refconv.config(engine="kernel")  # type: ignore[arg-type]
    nn.Conv2D("6", 5)  # type: ignore[arg-type]
    nn.Conv2D(6, 5, data_format="NCHW")  # type: ignore[arg-type]
    nn.Sequential(3)  # type: ignore[arg-type]
    optim.SGD(nn.ReLU(), lr="0.1")  # type: ignore[arg-type]
    data.Batches([1], [1], 16, shuffle="yes")  # type: ignore[arg-type]
    training.fit(nn.ReLU(), [], optim.SGD(nn.ReLU(), lr=1), epochs=2.5)  # type: ignore[arg-type]

if __name__ == "__main__":
    main()
