"""Experiment: convolutions write a sentence about an image, word by word.

A small convolutional network turns the image into features. A second one reads the features and the words so far, and scores
each word of the vocabulary as the next one. Its convolutions are causal: a score does not depend on later words. So all words
of a sentence are predicted at once in training. To write a sentence, the best word is appended until it is ``<end>``.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from experiments.experiment import Experiment
from experiments.scenes import COLOURS, KINDS, NEW_KINDS, SHAPES, SIZE, SIZES, caption, draw_scenes
from refconv import data, nn, optim
from refconv.nn.container import Container
from refconv.nn.layer import call_backward
from refconv.training import CrossEntropy, fit

__all__ = [
    "EXAMPLE",
    "EXPERIMENT",
    "LENGTH",
    "LOSS",
    "PADDING",
    "VOCABULARY",
    "Captioner",
    "captioner",
    "decode",
    "encode",
    "grid",
    "held_out",
    "pretrain",
    "trained",
    "write",
]

VOCABULARY = ("<padding>", "<start>", "<end>", "a", *SIZES, *COLOURS, *SHAPES, "above", "left", "of")
PADDING, START, END = range(3)
LENGTH = 11  # words in the longest sentence, with <end>
EXAMPLE = np.dtype([("image", np.float32, (SIZE, SIZE, 3)), ("words", np.intp, LENGTH)])  # input of the network
LOSS = CrossEntropy(class_weights=[0] + [1] * (len(VOCABULARY) - 1))  # ignores the padding

WIDTH = 128  # channels of the word predictor
SCENES, EPOCHS, TEST_SCENES = 12_000, 5, 500
SINGLES, PRETRAINING_EPOCHS = 8000, 4
BATCH, LR = 32, 3e-3


def encode(sentences):
    """Return sentences as numbers of words: ``<start>``, the words, ``<end>``, padding.

    >>> encode(["a small red ring"])[0, :7].tolist(), encode(["a small red ring"]).shape
    ([1, 3, 4, 6, 15, 2, 0], (1, 12))
    """
    words = np.full((len(sentences), LENGTH + 1), PADDING)
    for row, sentence in zip(words, sentences, strict=True):
        numbers = [START, *(VOCABULARY.index(word) for word in sentence.split()), END]
        row[: len(numbers)] = numbers
    return words


def decode(words) -> str:
    """Return the sentence up to ``<end>``.

    >>> decode([3, 4, 6, 15, 2, 3, 3])
    'a small red ring'
    """
    numbers = list(words)
    end = numbers.index(END) if END in numbers else len(numbers)
    return " ".join(VOCABULARY[number] for number in numbers[:end])


class Captioner(Container):
    r"""Network that predicts each next word from an image and the words before it.

    .. math:: s = \mathrm{predictor}(h), \qquad h_t = \mathrm{embedding}(w_t) + \mathrm{summary}(\mathrm{features}(I))

    The input is an array of records ``EXAMPLE``: image I and words w, of which the first is ``<start>``. Row t of the output
    (N, LENGTH, words of the vocabulary) scores each word as the one after w_t.

    Source: lecture row D12 (SOURCES.md); Vinyals, Toshev, Bengio and Erhan, "Show and tell: a neural image caption generator",
    2015, whose predictor is recurrent; Aneja, Deshpande and Schwing, "Convolutional image captioning", 2018.
    """

    def __init__(self, features, summary, embedding, predictor):
        super().__init__(features=features, summary=summary, embedding=embedding, predictor=predictor)

    def output_shape(self, shape):
        return LENGTH, len(VOCABULARY)

    def children(self, shape):
        image = (SIZE, SIZE, 3)
        shapes = image, self["features"].output_shape(image), (LENGTH, len(VOCABULARY)), (LENGTH, WIDTH)
        return ((*named, inner) for named, inner in zip(self.named_layers(), shapes, strict=True))

    def forward(self, x, train=True):
        one_hot = np.eye(len(VOCABULARY), dtype=x["image"].dtype)[x["words"]]
        features, features_backward = self["features"].forward(x["image"], train)
        image, image_backward = self["summary"].forward(features, train)
        words, words_backward = self["embedding"].forward(one_hot, train)
        scores, scores_backward = self["predictor"].forward(words + image[:, None], train)  # the image at every word

        def backward(dscores, want_dx=False):
            dh = scores_backward(dscores)
            call_backward(words_backward, dh, want_dx=False)
            dfeatures = image_backward(dh.sum(axis=1))  # the image was added to every word
            call_backward(features_backward, dfeatures, want_dx=False)  # skips frozen features

        return scores, backward


def captioner(pool):
    """Return a network whose 8 × 8 features are reduced by ``pool`` and then by a dense layer."""
    return Captioner(
        features=nn.Sequential(*_block(16), nn.MaxPool2D(2), *_block(32), nn.MaxPool2D(2), *_block(64)),
        summary=nn.Sequential(pool, nn.Flatten(), nn.Dense(WIDTH)),
        embedding=nn.Conv1D(WIDTH, 1, bias=False),
        # Dilated convolutions of two words each: a score depends on the last eight words.
        predictor=nn.Sequential(nn.ReLU(), *_causal(1), *_causal(2), *_causal(4), nn.Conv1D(len(VOCABULARY), 1)),
    )


def _block(filters):
    return nn.Conv2D(filters, 3, padding="same", bias=False), nn.BatchNorm(), nn.ReLU()


def _causal(dilation):
    """Return a convolution of each word and the word ``dilation`` steps before it."""
    return nn.Conv1D(WIDTH, 2, dilation=dilation, padding=[(dilation, 0)]), nn.ReLU()


def write(model, images):
    """Return a sentence about each image, written greedily word by word."""
    x = np.zeros(len(images), EXAMPLE)
    x["image"], x["words"][:, 0] = images, START
    for step in range(LENGTH):
        following = model(x)[:, step].argmax(axis=-1)
        if step + 1 < LENGTH:
            x["words"][:, step + 1] = following
    return [decode([*row[1:], last]) for row, last in zip(x["words"], following, strict=True)]


def pretrain(features, settings):
    """Train the features to classify single objects by colour and shape, and freeze them."""
    seed, rng = settings.seed, np.random.default_rng([settings.seed, 1])
    images, scenes = draw_scenes(64 if settings.quick else SINGLES, rng, single=1)
    labels = np.array([KINDS.index((thing.colour, thing.shape)) for (thing,) in scenes])
    scores = nn.Sequential(nn.GlobalAvgPool2D(), nn.Dense(len(KINDS)))
    scores.build(features.output_shape(images.shape[1:]), rng=[seed, 2])
    classifier = nn.Sequential(features=features, scores=scores)
    epochs = 1 if settings.quick else PRETRAINING_EPOCHS
    fit(classifier, _batches(images, labels, seed), optim.Adam(classifier, LR), epochs=epochs, schedule=optim.cosine)
    features.freeze()


def trained(settings, pool, pretrained=True):
    """Return a trained network, and the sentences of its training scenes."""
    model, seed = captioner(pool), settings.seed
    model.build((), rng=[seed, 0])
    if pretrained:
        pretrain(model["features"], settings)
    x, following, sentences = training_data(settings)
    epochs = settings.number("epochs", EPOCHS, quick=1)
    fit(model, _batches(x, following, seed), optim.Adam(model, LR), epochs=epochs, schedule=optim.cosine, loss=LOSS)
    return model, sentences


def training_data(settings):
    """Return the examples, the next word after each of their words, and the sentences."""
    rng = np.random.default_rng([settings.seed, 3])
    images, scenes = draw_scenes(settings.number("images", SCENES, quick=64), rng)
    sentences = [caption(scene) for scene in scenes]
    words = encode(sentences)
    x = np.zeros(len(images), EXAMPLE)
    x["image"], x["words"] = images, words[:, :-1]  # the words before are always the correct ones: teacher forcing
    return x, words[:, 1:], sentences


def _batches(x, targets, seed):
    return data.Batches(x, targets, BATCH, rng=[seed, 4])


def held_out(settings, known):
    """Return images and sentences of three tests; ``known`` are the sentences in training."""
    rng, count = np.random.default_rng([settings.seed, 5]), 20 if settings.quick else TEST_SCENES
    drawn = {
        f"{count} held-out scenes": draw_scenes(count, rng),
        f"{count} scenes with new sentences": draw_scenes(count, rng, without=set(known)),
        f"{count} scenes with new pairs of colour and shape": draw_scenes(count, rng, kinds=NEW_KINDS),
    }
    return {name: (images, [caption(scene) for scene in scenes]) for name, (images, scenes) in drawn.items()}


def _exact_matches(settings, known, writer):
    """Return the percentage of correct sentences from ``writer(images)`` for each test."""
    results = {}
    for name, (images, sentences) in held_out(settings, known).items():
        correct = [written == sentence for written, sentence in zip(writer(images), sentences, strict=True)]
        results[f"correct sentences for {name}, %"] = 100 * float(np.mean(correct))
    return results


def variant(pool, pretrained=True):
    """Return a variant that trains a network and writes sentences about the tests."""

    def run(settings):
        model, known = trained(settings, pool(), pretrained)
        return _exact_matches(settings, known, lambda images: write(model, images))

    return run


def most_common(settings):
    """Write the most common sentence of the training scenes about every image."""
    _, _, known = training_data(settings)
    ((sentence, _),) = Counter(known).most_common(1)
    return _exact_matches(settings, known, lambda images: [sentence] * len(images))


def grid():
    """Return the pooling that keeps a grid of 4 × 4 positions."""
    return nn.AvgPool2D(2)


EXPERIMENT = Experiment(
    "captioning",
    "Features of a trained network become a sentence, word by word, by convolutions alone.",
    "D12",
    {
        "the most common sentence": most_common,
        "frozen features, averaged over the image": variant(nn.GlobalAvgPool2D),
        "frozen features on a grid of 4 × 4": variant(grid),
        "trained end to end, on a grid of 4 × 4": variant(grid, pretrained=False),
    },
    options=("images", "epochs"),
)
