"""Frames of figure 17's animations: all activations of LeNet-5 for one changed digit."""

import itertools
from pathlib import Path
from typing import NamedTuple

import canvas
import numpy as np
from f17_moved_digits import AXES, SHOWN_LABEL, moved, shown_digit

from refconv import conv2d, max_pool2d, relu, softmax
from refconv.data import lenet_input

SOURCE = Path(__file__).with_name("f17_moved_digits.csv")
COLOURS = {"moved": canvas.BLUE, "plain": canvas.ORANGE}
NAMES = {
    "moved": "answer of the network above:\nit was trained on moved,\nzoomed and rotated digits",
    "plain": "answer of a network trained\non unchanged digits",
}


class Stage(NamedTuple):
    """Stage of LeNet-5 in the drawing.

    It has a number of columns of maps, a left edge and a width, both in percent of the figure's width, and a label.
    """

    columns: int
    left: float
    width: float
    label: str


STAGES = {  # units of the dense layers are drawn as maps of one pixel
    "input": Stage(1, 1.5, 13, "input\n32 × 32"),
    "C1": Stage(2, 16.5, 13, "C1: 6 maps\n28 × 28"),
    "S2": Stage(2, 31, 13, "S2: 6 maps\n14 × 14"),
    "C3": Stage(4, 45.5, 16, "C3: 16 maps\n10 × 10"),
    "S4": Stage(4, 63, 16, "S4: 16 maps\n5 × 5"),
    "C5": Stage(4, 81, 2.4, "C5\n120"),
    "F6": Stage(4, 85.4, 2.4, "F6\n84"),
}
LABELS, MIDDLE, NOTES = 86, 64, 43  # heights of the labels, the middle of the stages and the notes, in percent
WIDTH, HEIGHT = 10, 5.6  # inches


class Demonstration:
    """Results of figure 17 for one kind of change, "shift" or "zoom"."""

    def __init__(self, change):
        self.remark, rows = canvas.read(SOURCE)
        self.change, self.digit = change, shown_digit(rows)
        self.weights = {row["change"]: _numbers(row["units"]) for row in rows if "." in row["change"]}
        self.rows = {
            name: {row["by"]: row for row in rows if (row["network"], row["change"]) == (name, change)} for name in COLOURS
        }
        self.steps = list(self.rows["moved"])
        self.stages = {by: self._activations(by) for by in self.steps}
        self.scales = {name: _scales(np.stack([stages[name] for stages in self.stages.values()])) for name in STAGES}

    def _activations(self, by):
        """Return the outputs of all stages: maps are computed, dense units are read from the file."""
        image = moved(self.digit, self.change, by)
        c5, f6, _ = np.split(_numbers(self.rows["moved"][by]["units"]), [120, 204])
        return {"input": image[:, :, None] / 255, **self.maps(image), "C5": c5[None, None], "F6": f6[None, None]}

    def maps(self, image):
        """Compute the maps of the convolutions and poolings for an image (32, 32), uint8."""
        w = self.weights
        c1 = relu(conv2d(lenet_input(image[None], np.float64), w["conv1.w"].reshape(5, 5, 1, 6), w["conv1.b"]))
        s2 = max_pool2d(c1, 2)
        c3 = relu(conv2d(s2, w["conv2.w"].reshape(5, 5, 6, 16), w["conv2.b"]))
        return {"C1": c1[0], "S2": s2[0], "C3": c3[0], "S4": max_pool2d(c3, 2)[0]}

    def scores(self, name, by):
        """Return the ten scores of a network for the digit."""
        return _numbers(self.rows[name][by]["units"])[-10:]

    def frame(self, by, title, notes):
        """Draw all stages for one step; ``notes`` is a text below each named stage."""
        figure = canvas.canvas(title, WIDTH, HEIGHT)
        figure.set_layout_engine("none")  # places must not depend on the texts, which change from frame to frame
        for name, stage in STAGES.items():
            mosaic = _mosaic(self.stages[by][name] / self.scales[name], stage.columns)
            height = stage.width * WIDTH / HEIGHT * mosaic.shape[0] / mosaic.shape[1]
            axes = _axes(figure, stage.left, MIDDLE - height / 2, stage.width, height)
            axes.imshow(mosaic, cmap="Greys" if name == "input" else canvas.SHADES, vmin=0, vmax=1, aspect="auto")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(name == "input")
            middle = stage.left + stage.width / 2
            _text(figure, middle, LABELS, stage.label)
            _text(figure, middle, NOTES, notes.get(name, ""))
        self._outputs(figure, by)
        self._curves(figure, by)
        _text(figure, 50, 2.5, self.remark, fontsize=9, color=canvas.GREY)
        return figure

    def _outputs(self, figure, by):
        """Draw the probabilities of the ten classes."""
        probability = softmax(self.scores("moved", by)[None])[0]
        axes = _axes(figure, 91, MIDDLE - 17, 7.5, 34)
        answer = probability.argmax()
        axes.barh(range(10), probability, color=[COLOURS["moved"] if k == answer else canvas.GREY for k in range(10)])
        axes.set(xlim=(0, 1), ylim=(9.6, -0.6), xticks=[], yticks=range(10))
        axes.tick_params(length=0, labelsize=11)
        axes.spines[["bottom"]].set_visible(False)
        _text(figure, 94, LABELS, "output\n10")

    def _curves(self, figure, by):
        """Draw the accuracies, with points at the current step, and the answers of both networks."""
        axis = AXES[self.change]
        axes = _axes(figure, 9, 14, 50, 23)
        axes.axvspan(*axis.learnt, color=canvas.PALE, zorder=0)
        for line, (name, colour) in enumerate(COLOURS.items()):
            accuracies = [self.rows[name][step]["accuracy"] for step in self.steps]
            axes.plot(self.steps, accuracies, color=colour)
            axes.plot([by], [self.rows[name][by]["accuracy"]], "o", color=colour, markersize=9, clip_on=False)
            answer = self.scores(name, by).argmax()
            _text(figure, 62.5, 32 - 14 * line, NAMES[name], ha="left", color=colour)
            verdict = f"{answer} {'✓' if answer == SHOWN_LABEL else '✗'}"
            _text(figure, 93, 32 - 14 * line, verdict, color=colour, fontsize=22, weight="bold")
        axes.axvline(by, color=canvas.GREY, linewidth=1, zorder=0.5)
        axes.text(np.mean(axis.learnt), 8, "seen in training", fontsize=11, ha="center", color=canvas.GREY)
        axes.set(xlim=(self.steps[0], self.steps[-1]), ylim=(0, 100), yticks=(0, 50, 100), xticks=axis.ticks)
        axes.tick_params(labelsize=11)
        axes.set_xlabel(axis.label, fontsize=12)
        axes.set_ylabel("test accuracy\n(%)", fontsize=12)


def _scales(maps):
    """Return the largest number of each map in all frames (T, H, W, C); dense units share one."""
    is_dense = maps.shape[1:3] == (1, 1)
    return np.fmax(maps.max(axis=None if is_dense else (0, 1, 2)), 1e-9)  # some maps are 0 everywhere


def _text(figure, x, y, text, **options):
    figure.text(x / 100, y / 100, text, **{"ha": "center", "va": "center", "color": canvas.INK, "fontsize": 12, **options})


def _axes(figure, left, bottom, width, height):
    return figure.add_axes([left / 100, bottom / 100, width / 100, height / 100])


def _numbers(text):
    return np.array([float(number) for number in text.split()])


def _mosaic(maps, columns):
    """Arrange the maps of an array (H, W, C) in columns, with white gaps (NaN) between them."""
    rows, (height, width, channels) = -(-maps.shape[2] // columns), maps.shape
    gap = 0 if height == 1 else 1 + height // 14
    mosaic = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for channel, (row, column) in zip(range(channels), itertools.product(range(rows), range(columns)), strict=False):
        top, left = row * (height + gap), column * (width + gap)
        mosaic[top : top + height, left : left + width] = maps[:, :, channel]
    return mosaic
