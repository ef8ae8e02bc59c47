"""The picture of a training run: its curves, and the images it still misreads."""

import io

from refconv._extras import need

__all__ = ["training_picture"]

# Okabe and Ito's colours, which the colour-blind can tell apart.
TRAIN, TEST = "#0072B2", "#D55E00"
COLUMNS, ROWS = 12, 3


def training_picture(history, images, labels, predictions, title) -> bytes:
    """A PNG with the curves of loss and accuracy and the test images that were misread.

    Parameters
    ----------
    history : History
        What :func:`refconv.training.fit` returned.
    images : array (N, H, W), uint8
        The test images.
    labels, predictions : integer arrays (N,)
        What they are, and what they were read as; predictions are None if the run ended before its first test.
    title : str
        Stands above it all.

    Returns
    -------
    bytes
        The content of a PNG file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Source: M2, F20.
    """
    # The figure is drawn without pyplot, which would ask for a screen and keep state.
    figures = need("matplotlib.figure", "train", "drawing a picture")
    figure = figures.Figure(figsize=(10, 7.2), dpi=120, layout="constrained")
    figure.suptitle(title)
    curves, sheet = figure.subfigures(2, 1, height_ratios=[1, 1.05])
    _draw_curves(curves, history)
    _draw_misread(sheet, images, labels, predictions)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def _draw_curves(figure, history):
    epochs = [line.epoch for line in history.epochs]
    tested = [line for line in history.epochs if line.test_loss is not None]
    for axes, quantity, scale, unit in zip(figure.subplots(1, 2), ("loss", "accuracy"), (1, 100), ("nats", "%"), strict=True):
        train = [scale * getattr(line, f"train_{quantity}") for line in history.epochs]
        test = [scale * getattr(line, f"test_{quantity}") for line in tested]
        axes.plot(epochs, train, "o-", color=TRAIN, label="training, while learning")
        axes.plot([line.epoch for line in tested], test, "s--", color=TEST, label="test, after the epoch")
        axes.set(xlabel="epoch", ylabel=f"{quantity} ({unit})", xticks=_ticks(epochs))
        axes.grid(alpha=0.3)
        axes.legend()


def _ticks(epochs):
    return epochs[:: max(1, len(epochs) // 10)]


def _draw_misread(figure, images, labels, predictions):
    if predictions is None:
        figure.suptitle("The run ended before its first test", fontsize=10)
        return
    misread = [k for k in range(len(labels)) if labels[k] != predictions[k]]
    shown = misread[: COLUMNS * ROWS]
    which = "all of them" if len(shown) == len(misread) else f"the first {len(shown)}"
    sentence = f"{len(misread):,} of {len(labels):,} test images were misread; {which} (is → read as)"
    figure.suptitle(sentence if shown else f"None of {len(labels):,} test images was misread", fontsize=10)
    cells = list(figure.subplots(ROWS, COLUMNS).flat)
    for axes in cells:
        axes.axis("off")
    for axes, k in zip(cells, shown, strict=False):
        axes.imshow(images[k], cmap="gray_r", interpolation="nearest")
        axes.set_title(f"{labels[k]} → {predictions[k]}", fontsize=9, pad=2)
