"""Worked answers to the exercises of notebook 11, and mistakes that are easily made."""

import numpy as np

from refconv import nn, softmax

answer_1 = (
    84 * 7 + 7,
    400 * 7 + 7,  # flatten: 16 maps of 5 × 5
    61_281 + 2 * (84 + 1),  # two more scores than five
)

mistake_1 = (84 * 7, 400 * 7, 61_281)


def answer_2(model, at, classes, shape):
    # Frozen layers compute in training what they compute in inference, so batch normalisation keeps its averages.
    features = model.cut(at).freeze()
    head = nn.Dense(classes)
    head.build(features.output_shape(shape), rng=0)
    return nn.Sequential({"features": features, "scores": head})


def mistake_2(model, at, classes, shape):
    features = model.cut(at)
    features[0].freeze()  # the convolution stays, but batch normalisation still learns
    head = nn.Dense(classes)
    head.build(features.output_shape(shape), rng=0)
    return nn.Sequential({"features": features, "scores": head})


def answer_3(vectors, labels, queries):
    # A query's own length scales all its products alike, so it need not be divided by.
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return labels[(queries @ directions.T).argmax(1)]


def mistake_3(vectors, labels, queries):
    return labels[(queries @ vectors.T).argmax(1)]  # a long vector is the likest to everything


def answer_4(scores):
    # A probability is 1 at most, so no network has more than its vote. Scores have no such bound: whoever is the most sure,
    # rightly or not, would decide alone.
    return sum(softmax(s) for s in scores).argmax(1)


def mistake_4(scores):
    return scores.mean(0).argmax(1)
