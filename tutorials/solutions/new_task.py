"""Worked answers to the exercises of notebook 11, and mistakes that are easily made."""

import numpy as np

from refconv import nn, softmax

answer_1 = (
    84 * 7 + 7,
    400 * 7 + 7,  # flatten: 16 maps of 5 × 5
    61_281 + 2 * (84 + 1),  # two scores more than the five of the notebook
)

mistake_1 = (84 * 7, 400 * 7, 61_281)


def answer_2(model, at, classes, shape):
    # Frozen layers compute the same in training and in inference, so batch normalisation keeps its averages.
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
    # The norm of a query multiplies all its products by the same factor, so we need not divide by it.
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return labels[(queries @ directions.T).argmax(1)]


def mistake_3(vectors, labels, queries):
    return labels[(queries @ vectors.T).argmax(1)]  # the longest vector wins too often


def answer_4(scores):
    # A probability is 1 at most, so each network has at most one vote. Scores have no such limit: the network with the
    # largest scores would decide alone, right or wrong.
    return sum(softmax(s) for s in scores).argmax(1)


def mistake_4(scores):
    return scores.mean(0).argmax(1)
