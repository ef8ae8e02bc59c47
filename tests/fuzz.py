"""Fuzzing of all readers of files, and of the command line.

    python -m tests.fuzz                          every reader, a minute each
    python -m tests.fuzz pictures model --seconds 300 --seed 1
    python -m tests.fuzz idx.gz --coverage        changes guided by coverage; needs the package atheris

Each case is a valid input that is changed at random. It must be accepted, or refused by an ``ArgumentError`` whose message
names the file; see ``benchmarks.fuzzing``. A fault is any other error, a message without the name, a crash, and a case that
takes too much time or memory. The command returns 1 if there is a fault. ``--save DIR`` keeps the first input of each fault;
``tests/test_fuzz.py`` generates such inputs again and replays them.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
for _folder in (ROOT, ROOT / "tests"):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

from benchmarks import fuzzing  # noqa: E402
from fuzz_commands import COMMANDS  # noqa: E402
from fuzz_files import FILES  # noqa: E402
from fuzz_networks import NETWORKS  # noqa: E402

READERS = {reader.name: reader for reader in (*FILES, *NETWORKS, *COMMANDS)}
MOST_SHOWN = 20  # faults
WIDTH = 600  # characters of a fault


def run(reader, cases, seed=0, seconds=60.0):
    """Return the number of each outcome by kind of change, and the faults as (case, reason)."""
    seeds = reader.seeds()
    return fuzzing.run(cases, lambda rng: reader.mutated(rng, seeds), lambda: reader.outcome, reader.file, seed, seconds)


def content_of(reader, case, seed=0):
    """Return the input of a case."""
    return reader.mutated(random.Random(f"{seed} {case}"), reader.seeds())[1]


def report(reader, options):
    """Fuzz one reader and print the result; return the number of faults."""
    start = time.monotonic()
    counts, faults = run(reader, options.cases, options.seed, options.seconds)
    loaded = sum(count for (_, outcome), count in counts.items() if outcome == "loaded")
    total = sum(counts.values()) + len(faults)
    print(f"{reader.name:10} {total:7,} cases in {time.monotonic() - start:4.0f} s: {loaded:6,} accepted,", end=" ")
    print(f"{total - loaded - len(faults):6,} refused, {len(faults):4} faults", flush=True)
    kinds = Counter(reason.rpartition(" | ")[2][:WIDTH] for _, reason in faults)
    first = {reason.rpartition(" | ")[2][:WIDTH]: case for case, reason in reversed(faults)}
    for kind, count in kinds.most_common(MOST_SHOWN):
        print(f"  {count} times, first in case {first[kind]}: {kind}")
    if options.save:
        for case in first.values():
            path = Path(options.save) / f"{reader.name}-{options.seed}-{case}-{reader.file}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content_of(reader, case, options.seed))
    return len(faults)


def main(arguments=None):
    """Fuzz the readers; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"any of: {', '.join(READERS)} (default: all)")
    parser.add_argument("--seconds", type=float, default=60, help="time for each reader (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=10**9, help="number of cases for each reader (default: unlimited)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="DIR", help="folder for the inputs of the faults")
    parser.add_argument("--coverage", action="store_true", help="change inputs guided by coverage (atheris)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.readers if name not in READERS]:
        parser.error(f"READER must be any of {', '.join(READERS)}, got {unknown[0]}")
    chosen = [READERS[name] for name in options.readers or READERS]
    if options.coverage:
        from fuzz_coverage import run_guided

        return int(sum(run_guided(reader.name, options) for reader in chosen) > 0)
    return int(sum(report(reader, options) for reader in chosen) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
