"""Fuzzing of the reader of Keras's files: each file is loaded or refused.

    python -m benchmarks.keras_fuzz --cases 4000

There must be no other error and no crash. Each case changes a valid file at random: bytes of the archive, bytes of the file of
weights inside, values in the description of the network, or the length of the file. Batches of cases run in child processes,
so a crash of the HDF5 library is counted and does not end the program. A refusal must be an ``ArgumentError`` whose message
names the file, and must not change the network that the weights were meant for. The program needs h5py and a system with
``fork``.
"""

import argparse
import io
import json
import os
import random
import signal
import tempfile
import traceback
import zipfile
from collections import Counter
from pathlib import Path

import refconv
from refconv import nn
from refconv.weights import from_keras, load_keras_weights, to_keras

BATCH = 50  # cases in one child process
SECONDS = 120  # for a batch, before it counts as a crash
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


def mutated(content, rng):
    """Return the bytes of a file with a random change, and the kind of the change."""
    kind = rng.choice(["archive", "weights", "weights", "description", "description", "length"])
    if kind == "archive":
        return kind, _bytes(content, rng)
    if kind == "length":
        return kind, content[: rng.randrange(len(content))]
    members = _members(content)
    if kind == "weights":
        members[WEIGHTS] = _bytes(members[WEIGHTS], rng)
    else:
        description = json.loads(members[CONFIG])
        for _ in range(rng.choice([1, 1, 2, 5])):
            _change(description, rng)
        members[CONFIG] = json.dumps(description).encode()
    return kind, _archive(members)


def _members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _archive(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _bytes(content, rng):
    """Change some bytes."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        changed[rng.randrange(len(changed))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return bytes(changed)


def _change(description, rng):
    """Replace, remove or copy a random value in a description."""
    places = []

    def collect(value):
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                collect(value[key])

    collect(description)
    if not places:
        return
    value, key = rng.choice(places)
    action = rng.randrange(4)
    if action == 0:
        del value[key]
    elif action == 1:
        other, name = rng.choice(places)
        value[key] = json.loads(json.dumps(other[name]))
    else:
        value[key] = rng.choice(WORDS)


def outcome(path, model):
    """Return "loaded" or "refused" for a file; raise an error for anything else."""
    before = {name: parameter.value.tobytes() for name, parameter in model.named_parameters().items()}
    results = []
    for load in (lambda: from_keras(path), lambda: load_keras_weights(model, path)):
        try:
            load()
            results.append("loaded")
        except refconv.ArgumentError as error:
            results.append("refused" if str(path) in str(error) else f"a refusal without the name of the file: {error}")
    if results[1] == "refused":
        assert before == {name: parameter.value.tobytes() for name, parameter in model.named_parameters().items()}
    return next((result for result in results if result not in ("loaded", "refused")), results[0])


def run(cases, seed=0):
    """Return the number of each outcome by kind of change, and the crashes as (case, reason)."""
    counts, crashes, first = Counter(), [], 0
    with tempfile.TemporaryDirectory() as folder:
        valid = Path(folder) / "valid.keras"
        to_keras(valid_network(), valid)
        content = valid.read_bytes()
        while first < cases:
            lines, status = _child(content, Path(folder), seed, range(first, min(first + BATCH, cases)))
            for line in lines:
                _, kind, result = line.split(" ", 2)
                if result in ("loaded", "refused"):
                    counts[kind, result] += 1
                else:
                    crashes.append((int(line.split(" ")[0]), result))
            first += len(lines)
            if status:  # the case after the last line ended the process
                crashes.append((first, f"exit status {status}"))
                first += 1
    return counts, crashes


def _child(content, folder, seed, cases):
    """Run cases in a child process; return a line for each finished case, and the exit status."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        signal.alarm(SECONDS)
        model, path = valid_network(), folder / "case.keras"
        for case in cases:
            kind, damaged = mutated(content, random.Random(f"{seed} {case}"))
            path.write_bytes(damaged)
            try:
                result = outcome(path, model)
            except BaseException:
                result = traceback.format_exc().strip().replace("\n", " | ")
            os.write(writing, f"{case} {kind} {result}\n".encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        lines = pipe.read().splitlines()
    return lines, os.waitpid(process, 0)[1]


def main(arguments=None):
    """Print the outcomes; return 1 if there was a crash."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keras_fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    counts, crashes = run(options.cases, options.seed)
    for kind in ("archive", "weights", "description", "length"):
        print(f"{kind:12} loaded {counts[kind, 'loaded']:5}   refused {counts[kind, 'refused']:5}")
    print(f"{options.cases} cases, {len(crashes)} crashes or unexpected errors")
    for case, reason in crashes[:20]:
        print(f"case {case}: {reason[-600:]}")
    return int(bool(crashes))


if __name__ == "__main__":
    raise SystemExit(main())
