"""Fuzzing of readers of files: files are changed at random, and must be loaded or refused.

Batches of cases run in child processes, so a crash of a library is counted and does not end the program. A case that takes too
much processor time or memory is a crash. The programs need a system with ``fork``; memory is limited on Linux only.
"""

import argparse
import io
import json
import math
import os
import random
import re
import resource
import signal
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from pathlib import Path

__all__ = ["bits_of", "command", "refusal", "run", "with_changed_bytes", "with_changed_json", "zip_of", "zipped"]

BATCH = 50  # cases in one child process
SECONDS = 20  # of processor time for one case
WAITING_SECONDS = 1800  # for one case, if it waits without using the processor
NO_MEMORY = re.compile("(can't|cannot|unable to) allocate|out of memory", re.IGNORECASE)
MAX_BYTES = 2**30  # of memory for a case, in addition to what the process uses before it


def run(cases, mutated, reader, name, seed=0, seconds=math.inf):
    """Return the number of each outcome by kind of change, and the crashes as (case, reason).

    ``mutated(rng)`` returns the kind of a change and the content of a changed file. ``reader()`` is called in each child
    process; it returns a function that reads a path and returns "loaded", "refused" or a text that describes a fault. ``name``
    is the name of the file. After ``seconds``, no other batch of cases begins.
    """
    counts, crashes, first = Counter(), [], 0
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while first < cases and time.monotonic() < end:
            batch = range(first, min(first + BATCH, cases))
            lines, status = _child(mutated, reader, Path(folder) / name, seed, batch)
            for line in lines:
                case, kind, result = line.split("\t", 2)
                counts[kind, result] += result in ("loaded", "refused")
                if result not in ("loaded", "refused"):
                    crashes.append((int(case), result))
            first += len(lines)
            if status:  # the case after the last line ended the process
                crashes.append((first, f"exit status {status}"))
                first += 1
    return +counts, crashes


def refusal(error, path):
    """Return "refused" for an error whose message names the file, else the fault as text.

    An error about memory is a fault: the reader should have compared the sizes with the length of the file.
    """
    if str(path) not in str(error):
        return f"a refusal without the name of the file: {error}"
    return f"a refusal after an allocation: {error}" if NO_MEMORY.search(str(error)) else "refused"


def bits_of(model):
    """Return the bytes of all parameters of a network."""
    return {name: parameter.value.tobytes() for name, parameter in model.named_parameters().items()}


def with_changed_bytes(content, rng):
    """Return content with some other bytes."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        changed[rng.randrange(len(changed))] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    return bytes(changed)


def with_changed_json(value, rng, words):
    """Return a copy of a JSON value, in which some values are replaced, removed or copied.

    New values are taken from ``words`` or from other places of the value.
    """
    value = json.loads(json.dumps(value))
    for _ in range(rng.choice([1, 1, 2, 5])):
        places = [*_places(value)]
        if not places:
            break
        container, key = rng.choice(places)
        action = rng.randrange(4)
        if action == 0:
            del container[key]
        elif action == 1:
            other, name = rng.choice(places)
            container[key] = json.loads(json.dumps(other[name]))
        else:
            container[key] = json.loads(json.dumps(rng.choice(words)))  # a copy, which another change may change
    return value


def _places(value):
    """Yield the containers in a JSON value with each of their keys."""
    for key in [*value] if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def zipped(content):
    """Return the members of a ZIP archive by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(members, compression=zipfile.ZIP_STORED):
    """Return a ZIP archive with these pairs of a name and content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def _child(mutated, reader, path, seed, cases):
    """Run cases in a child process; return a line for each finished case, and the exit status.

    The status is −n if the signal n ended the process.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            warnings.simplefilter("ignore")
            outcome = reader()
            for case in cases:
                line = "\t".join([str(case), *_run_case(mutated, outcome, path, random.Random(f"{seed} {case}"))])
                os.write(writing, line.replace("\n", " | ").encode(errors="backslashreplace") + b"\n")
            os._exit(0)
        finally:
            os._exit(1)  # the child must not continue with the code of its parent
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        lines = pipe.read().split("\n")[:-1]
    return lines, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _run_case(mutated, outcome, path, rng):
    """Return the kind of a change and its outcome."""
    kind = "no file"
    try:
        _limit_memory(MAX_BYTES)
        kind, content = mutated(rng)
        path.write_bytes(content)
        _limit_time(SECONDS, WAITING_SECONDS)  # the signal of a timer ends the process
        return kind, outcome(path)
    except Exception:
        _limit_memory(None)  # for the text of a MemoryError
        return kind, traceback.format_exc().strip()
    finally:
        _limit_time(0, 0)


def _limit_time(seconds, waiting_seconds):
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, waiting_seconds)


def _limit_memory(additional):
    """Limit the memory of this process to additional bytes; None removes the limit."""
    statistics = Path("/proc/self/statm")
    limit = resource.RLIM_INFINITY
    if additional is not None and statistics.exists():
        limit = int(statistics.read_text("ascii").split()[0]) * resource.getpagesize() + additional
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def command(program, description, cases, kinds, run_cases, arguments=None):
    """Run a program: print the outcomes of each kind, and return 1 if there was a crash."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--cases", type=int, default=cases)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    counts, crashes = run_cases(options.cases, options.seed)
    for kind in kinds:
        print(f"{kind:20} loaded {counts[kind, 'loaded']:5}   refused {counts[kind, 'refused']:5}")
    loaded = sum(count for (_, result), count in counts.items() if result == "loaded")
    print(f"{options.cases} cases: {loaded} loaded, {sum(counts.values()) - loaded} refused, {len(crashes)} crashes or faults")
    for case, reason in crashes[:20]:
        print(f"case {case}: {reason[-600:]}")
    return int(bool(crashes))
