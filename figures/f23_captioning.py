"""F23: a network reads an image and its own words so far, and writes the next word.

    python figures/f23_captioning.py --measure --show

Above is the first wrong sentence of a test. Each column is one step: the label below it is the last word so far, and it shows
the probability of each next word in percent, if it is above 5. The network appends the most probable word. Below are
scenes with correct sentences: the first of the test with one object, and the first four with two. None of the six scenes was
seen in training. The image's features were trained to name the colour and the shape of single objects, and then frozen. The
network that reads them and the words consists of causal convolutions, while the paper on the slide has a recurrent network.
Seed 0.
Source: lecture row D12 (SOURCES.md).
"""

import base64

import canvas
import numpy as np

from experiments import Settings, captioning
from experiments.scenes import SIZE

SINGLES, PAIRS = 1, 4  # scenes below
CENTRED = {"ha": "center", "va": "top", "fontsize": 10.5, "color": canvas.GREEN}
WORDS = captioning.VOCABULARY[2:]  # never predicted: padding and <start>


def measure():
    """Train the network, and return the rows: six scenes, their sentences, and probabilities.

    For a scene, ``at`` is the row and ``value`` its pixels; for probabilities, ``at`` is the step.
    """
    settings = Settings(seed=0)
    model, known = captioning.trained(settings, captioning.grid())
    images, sentences = next(iter(captioning.held_out(settings, known).values()))
    written = captioning.write(model, images)
    correct = np.array([one == other for one, other in zip(written, sentences, strict=True)])
    pair = np.array([" of " in sentence or " above " in sentence for sentence in sentences])
    (wrong, *_), singles, pairs = (np.flatnonzero(chosen) for chosen in (~correct, correct & ~pair, correct & pair))
    rows = []
    for k, index in enumerate([wrong, *singles[:SINGLES], *pairs[:PAIRS]]):
        rows += [{"what": f"image {k}", "at": y, "value": encoded(line)} for y, line in enumerate(images[index])]
        rows += [{"what": f"true {k}", "at": 0, "value": sentences[index]}]
        rows += [{"what": f"written {k}", "at": 0, "value": written[index]}]
    return rows + probabilities(model, images[wrong], written[wrong])


def probabilities(model, image, sentence):
    """Return rows with the probability of each next word, at each step of a sentence."""
    x = np.zeros(1, captioning.EXAMPLE)
    x["image"], x["words"] = image, captioning.encode([sentence])[:, :-1]
    scores = model(x)[0, : len(sentence.split()) + 1, -len(WORDS) :]
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return [{"what": "next", "at": t, "value": " ".join(f"{p:.3f}" for p in row)} for t, row in enumerate(shares)]


def encoded(line):
    """Encode a row of pixels, one byte per colour, in base64."""
    return base64.b64encode(np.rint(255 * np.clip(line, 0, 1)).astype(np.uint8).tobytes()).decode()


def values(rows, what):
    """Return the values of one kind of rows."""
    return [row["value"] for row in rows if row["what"] == what]


def picture(rows, k):
    """Decode a scene; the values are from 0 to 1."""
    lines = [base64.b64decode(line) for line in values(rows, f"image {k}")]
    return np.frombuffer(b"".join(lines), np.uint8).reshape(SIZE, SIZE, 3) / 255


def draw(rows):
    """Draw the steps of one sentence above and five scenes with their sentences below."""
    figure = canvas.canvas("A sentence grows by its most probable next word", height=6.8)
    above, below = figure.subfigures(2, 1, height_ratios=(1.65, 1))
    left, right = above.subplots(1, 2, width_ratios=(1, 2.3))
    left.imshow(picture(rows, 0))
    left.set_axis_off()
    steps(right, rows)
    for k, axes in enumerate(below.subplots(1, SINGLES + PAIRS), 1):
        axes.imshow(picture(rows, k))
        axes.set_axis_off()
        axes.text(0.5, -0.05, in_lines(values(rows, f"written {k}")[0]), transform=axes.transAxes, **CENTRED)
    return figure


def in_lines(sentence):
    """Break a sentence around its relation."""
    for relation in ("above", "left of"):
        sentence = sentence.replace(f" {relation} ", f"\n{relation}\n")
    return sentence


def steps(axes, rows):
    """Show the probability of each next word (rows) at each step (columns)."""
    (written,), (true,) = values(rows, "written 0"), values(rows, "true 0")
    axes.text(0, 1.13, f"written: {written}", transform=axes.transAxes, fontsize=12, color=canvas.ORANGE)
    axes.text(0, 1.03, f"correct: {true}", transform=axes.transAxes, fontsize=12, color=canvas.GREEN)
    shares = np.array([[float(p) for p in row.split()] for row in values(rows, "next")])
    axes.imshow(shares.T, cmap=canvas.SHADES, vmin=0, vmax=1, aspect="auto")
    read = ["<start>", *written.split()]
    axes.set_xticks(range(len(read)), read, fontsize=10)
    axes.set_yticks(range(len(WORDS)), WORDS, fontsize=9)
    axes.tick_params(length=0)
    axes.set_xlabel("the last word so far", fontsize=11)
    axes.set_ylabel("the next word (%)", fontsize=11)
    for step, word in np.argwhere(shares > 0.05):
        share = shares[step, word]
        axes.text(step, word, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color="w" if share > 0.5 else "k")


if __name__ == "__main__":
    canvas.main(draw, measure)
