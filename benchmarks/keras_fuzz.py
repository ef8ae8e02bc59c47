"""Fuzzing of the reader of Keras's files: each file is loaded or refused.

    python -m benchmarks.keras_fuzz --cases 4000

There must be no other error and no crash; see ``benchmarks.fuzzing``. Each case changes a valid file at random: bytes of the
archive, bytes of the file of weights inside, values in the description of the network, or the length of the file. A refusal
must be an ``ArgumentError`` whose message names the file, and must not change the network that the weights were meant for. The
program needs h5py.
"""

import json
import tempfile
from pathlib import Path

import refconv
from benchmarks import fuzzing
from refconv import nn
from refconv.weights import from_keras, load_keras_weights, to_keras

WEIGHTS, CONFIG = "model.weights.h5", "config.json"
WORDS = (
    None,
    True,
    False,
    0,
    -1,
    1,
    3,
    2**31,
    10**30,
    1.5,
    "same",
    "",
    "relu",
    "conv",
    [],
    {},
    [[]],
    [1, 2],
    "../x",
    "Lambda",
)


def valid_network():
    """Return a small built network with branches."""
    branch = nn.Sequential(conv=nn.Conv2D(3, (3, 2), padding="same"), norm=nn.BatchNorm(), relu=nn.ReLU6())
    joined = nn.Concat(nn.Identity(), nn.Sum(branch, nn.DepthwiseConv2D(3, padding=1)))
    model = nn.Sequential(joined=joined, pool=nn.MaxPool2D(2), flatten=nn.Flatten(), scores=nn.Dense(4))
    model.build((7, 6, 3), rng=0)
    return model


KINDS = ("archive", "weights", "description", "length")


def mutated(content, rng):
    """Return the kind of a random change, and the bytes of the changed file."""
    kind = rng.choice([*KINDS, "weights", "description"])
    if kind == "archive":
        return kind, fuzzing.with_changed_bytes(content, rng)
    if kind == "length":
        return kind, content[: rng.randrange(len(content))]
    members = fuzzing.zipped(content)
    if kind == "weights":
        members[WEIGHTS] = fuzzing.with_changed_bytes(members[WEIGHTS], rng)
    else:
        members[CONFIG] = json.dumps(fuzzing.with_changed_json(json.loads(members[CONFIG]), rng, WORDS)).encode()
    return kind, fuzzing.zip_of(members.items())


def outcome(path, model):
    """Return "loaded", "refused" or a description of a fault for a file; raise any other error."""
    before = fuzzing.bits_of(model)
    results = []
    for load in (lambda: from_keras(path), lambda: load_keras_weights(model, path)):
        try:
            load()
            results.append("loaded")
        except refconv.ArgumentError as error:
            results.append(fuzzing.refusal(error, path))
    if results[1] == "refused":
        assert before == fuzzing.bits_of(model)
    return next((result for result in results if result not in ("loaded", "refused")), results[0])


def run(cases, seed=0):
    """Return the number of each outcome by kind of change, and the crashes as (case, reason)."""
    with tempfile.TemporaryDirectory() as folder:
        to_keras(valid_network(), Path(folder) / "valid.keras")
        content = (Path(folder) / "valid.keras").read_bytes()

    def reader():
        model = valid_network()
        return lambda path: outcome(path, model)

    return fuzzing.run(cases, lambda rng: mutated(content, rng), reader, "case.keras", seed)


def main(arguments=None):
    """Print the outcomes; return 1 if there was a crash."""
    return fuzzing.command("python -m benchmarks.keras_fuzz", __doc__.partition("\n")[0], 4000, KINDS, run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
