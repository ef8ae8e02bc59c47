"""Fuzzing guided by coverage, with atheris.

Inputs that reach new code of refconv are changed further.

``python -m tests.fuzz READER --coverage`` runs it. The library ends its process, so each reader gets one of its own. A fault
does not end the run: inputs are counted by the kind of the fault, and the first of each kind is kept.
"""

import contextlib
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

__all__ = ["run_guided"]

INSTRUMENTED = ["refconv"]
MEGABYTES, SECONDS = 4096, 20  # of memory for the process, and of time for a case
DONE = re.compile(r"Done (\d+) runs")
WIDTH = 300  # characters of a fault


def run_guided(name, options):
    """Fuzz one reader in its own process; return the number of kinds of faults."""
    if importlib.util.find_spec("atheris") is None:
        raise SystemExit("--coverage needs the package atheris: pip install atheris")
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, __file__, name, str(options.seconds), str(options.seed), folder]
        process = subprocess.run(program, capture_output=True, encoding="utf-8", errors="replace", check=False)
        found = DONE.search(process.stderr)
        cases = int(found[1]) if found else 0
        path = Path(folder) / "faults.json"
        faults = json.loads(path.read_text("utf-8")) if path.exists() else {}
        if not found:
            faults["the process ended: " + process.stderr[-WIDTH:]] = 1
        print(
            f"{name:10} {cases:7,} cases guided by coverage in {options.seconds:.0f} s: {sum(faults.values())} faults",
            flush=True,
        )
        for kind, count in faults.items():
            print(f"  {count} times: {kind}")
        if options.save:
            Path(options.save).mkdir(parents=True, exist_ok=True)
            for kept in Path(folder).glob("fault-*"):
                (Path(options.save) / f"{name}-{kept.name}").write_bytes(kept.read_bytes())
    return len(faults)


def kind_of(fault):
    """Return the text of a fault without the numbers and paths that differ from case to case."""
    return re.sub(r"/tmp/\S+|\d+", "…", fault)[:WIDTH]


def guided(name, seconds, seed, folder):
    """Fuzz one reader; the library ends the process."""
    import atheris

    sys.path[:0] = [str(path) for path in (Path(__file__).parent, Path(__file__).parents[1])]
    with atheris.instrument_imports(include=INSTRUMENTED):
        from fuzz import READERS

        reader = READERS[name]
        corpus = folder / "corpus"
        corpus.mkdir()
        for k, content in enumerate(reader.seeds()):
            (corpus / str(k)).write_bytes(content)
        place = folder / "case"
        place.mkdir()
        reader.outcome(_written(place / reader.file, reader.seeds()[0]))  # import what the reader needs
    faults = {}

    def case(content):
        try:
            with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
                fault = reader.outcome(_written(place / reader.file, content))
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        if fault not in ("loaded", "refused"):
            kind = kind_of(fault)
            if kind not in faults:
                (folder / f"fault-{len(faults)}").write_bytes(content)
            faults[kind] = faults.get(kind, 0) + 1
            (folder / "faults.json").write_text(json.dumps(faults), "utf-8")

    warnings.simplefilter("ignore")
    limits = [f"-max_total_time={seconds:.0f}", f"-rss_limit_mb={MEGABYTES}", f"-timeout={SECONDS}", "-max_len=65536"]
    atheris.Setup([__file__, f"-seed={seed + 1}", *limits, str(corpus)], case)
    atheris.Fuzz()


def _written(path, content):
    path.write_bytes(content)
    return path


if __name__ == "__main__":
    guided(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
