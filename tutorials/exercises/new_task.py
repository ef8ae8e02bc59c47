"""11 · A new task: counts, a new head, neighbours and votes."""

import numpy as np
from checking import checked, checked_function

from refconv import models, nn, optim, softmax, training


@checked("three numbers")
def check_1(counts):
    """Check the numbers of trained parameters: a head on relu4, on flatten, and everything."""
    expected = {
        "on relu4": 84 * 7 + 7,
        "on flatten": 400 * 7 + 7,
        "in all": models.lenet(classes=7).count_parameters((32, 32, 1)),
    }
    for (where, count), answer in zip(expected.items(), counts, strict=True):
        assert answer == count, f"{where}: {answer:,} is not right; each score has a weight for each of its inputs, and a bias"


@checked("a function of model, at, classes and shape that returns a network")
def check_2(new_head):
    """Check a frozen network with a new head."""
    rng, shape = np.random.default_rng(0), (6, 5, 2)
    model = nn.Sequential(conv=nn.Conv2D(3, 3), norm=nn.BatchNorm(), relu=nn.ReLU(), flatten=nn.Flatten(), scores=nn.Dense(9))
    model.build(shape, rng=0)
    x, labels = rng.normal(1, 2, (8, *shape)).astype(np.float32), rng.integers(0, 4, 8)
    network = new_head(model, "flatten", 4, shape)
    assert isinstance(network, nn.Layer), f"the function must return a network, got {network!r}"
    assert network.output_shape(shape) == (4,), f"the output must be 4 scores, got shape {network.output_shape(shape)}"
    learnt = sum(p.value.size for p in network.named_parameters().values() if p.trainable)
    assert learnt == 3 * 4 * 3 * 4 + 4, f"only the head's {3 * 4 * 3 * 4 + 4} parameters may be trained, got {learnt}"
    features, scores = model.cut("flatten")(x), network(x)
    for _ in range(3):
        training.train_step(network, optim.SGD(network, lr=0.1), x, labels)
    assert np.abs(network(x) - scores).max() > 1e-3, "the scores must change in training, but the head does not learn"
    changed = np.abs(model.cut("flatten")(x) - features).max()
    assert changed == 0, "the features must not change, but weights or running averages of the frozen part have changed"


@checked_function("of vectors, labels and queries that returns an array of labels")
def check_3(nearest):
    """Check a function that returns the label of the vector with the most similar direction."""
    vectors, labels = np.array([[9.0, 0.0], [1.0, 1.2], [0.0, 2.0]]), np.array([7, 5, 8])
    queries = np.array([[3.0, 3.0], [0.1, 0.01], [-1.0, 5.0], [6.0, 2.0]])
    result = np.asarray(nearest(vectors, labels, queries)).tolist()
    assert result == [5, 7, 8, 7], f"for {queries.tolist()} the labels must be [5, 7, 8, 7], got {result}"


@checked_function("of scores that returns an array of class numbers")
def check_4(vote):
    """Check a function that returns the class with the highest mean probability."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 3, (3, 200, 4)) + rng.normal(0, 30, (3, 200, 1))
    scores[0] *= 3  # the first network is very confident
    expected = np.mean([softmax(s) for s in scores], axis=0).argmax(1)
    result = np.asarray(vote(scores))
    assert result.shape == (200,), f"for scores {scores.shape} there must be 200 votes, got shape {result.shape}"
    wrong = int((result != expected).sum())
    assert wrong == 0, f"{wrong} of 200 votes differ: average the probabilities of each network"
