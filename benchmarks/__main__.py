"""refconv against PyTorch, JAX and ONNX Runtime, row by row, on the same threads in the same run, in turns.

    python -m benchmarks --threads 2 --rows conv1 "batch norm"

Times are in milliseconds: the best, over the rounds, of the medians of blocks. "limit" is how much of the machine's limit
refconv reaches: the larger of operations ÷ peak and bytes ÷ bandwidth, both measured in this run. Operations are those of the
definition, so a method with fewer may pass 100 %. "ratio" is PyTorch in its better memory format ÷ refconv, "bar" what it
shall be. Before a side is timed, its result is compared with refconv's.
"""

import argparse
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import refconv
from benchmarks import limits, measure, peers, table
from benchmarks.rows import chosen
from refconv import _core
from refconv._ascii import use_ascii_forms


def main(arguments=None):
    """The command; returns its exit status: 1 if a library's result is not refconv's."""
    use_ascii_forms()
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        rows, libraries = chosen(options.rows), wanted_peers(options.peers)
    except ValueError as error:
        parser.error(str(error))
    if not _core.ISA:
        parser.error("refconv was built without its kernels (REFCONV_PURE=1): there is nothing to time")
    rounds = options.rounds or (3 if options.quick else 9)
    prepare(options.threads, libraries)
    machine = limits.measure(options.threads)
    print(headline(options.threads, libraries, machine), table.line(table.COLUMNS), table.rule(), sep="\n", flush=True)
    names = [name for library in libraries for name in peers.PEERS[library]]
    done, failures = [], []
    for row in rows:
        measured, wrong = measure_row(row, names, rounds, machine)
        done.append(measured)
        failures += wrong
        print(table.line(measured.cells()), *wrong, sep="\n", flush=True)
    write(options, done, machine)
    return 1 if failures else 0


def make_parser():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=[], metavar="TEXT", help="only rows whose names contain one of these")
    parser.add_argument("--threads", type=positive, default=2, metavar="N")
    parser.add_argument(
        "--peers", metavar="NAMES", help=f"some of {','.join(peers.PEERS)}; all that are installed if not given"
    )
    parser.add_argument("--rounds", type=positive, metavar="N", help="how often the sides take turns (9)")
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--csv", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--png", type=Path, metavar="FILE", help="the roofline; needs matplotlib")
    return parser


def positive(text):
    """A whole number from one on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but is {number}")
    return number


def wanted_peers(text):
    """The libraries that are asked for by name, or else all that are installed."""
    if text is None:
        return [name for name in peers.PEERS if peers.installed(name)]
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in peers.PEERS:
            raise ValueError(f"--peers must be of {', '.join(peers.PEERS)}, but names {name!r}")
        if not peers.installed(name):
            raise ValueError(f"--peers names {name}, which is not installed: pip install {' '.join(peers.NEEDS[name])}")
    return names


def prepare(threads, libraries):
    """The same threads for all, and memory that stays with the process, which all share."""
    peers.set_num_threads(threads, libraries)
    refconv.set_config(threads=threads)
    refconv.keep_freed_memory()


def headline(threads, libraries, machine):
    """What was compared, where, and the machine's limits."""
    versions = ", ".join(f"{name} {version(name)}" for name in libraries) or "nobody"
    peaks = ", ".join(f"{peak / 1e9:.0f} GFLOP/s in {dtype}" for dtype, peak in machine.peak.items())
    return (
        f"refconv {refconv.__version__} ({_core.ISA}) against {versions}; "
        f"Python {platform.python_version()}, {threads} threads\n"
        f"this machine, now: {peaks}; {machine.bandwidth() / 1e9:.1f} GB/s from memory\n"
    )


def measure_row(row, names, rounds, machine):
    """The row, measured, and a sentence for each library whose result is another."""
    sides = row.problem.sides(row.work, names)
    first = {name: side.read(side.run()) for name, side in sides.items()}
    tolerance = 1e-3 if row.problem.dtype == "float32" else 1e-9
    far = {name: measure.differences(first["refconv"], result) for name, result in first.items()}
    wrong = [
        f"✗ {row.name}: the result of {name} is {distance:.1e} of the largest number away, and not timed"
        for name, distance in far.items()
        if not distance <= tolerance
    ]
    seconds = measure.interleaved({name: side.run for name, side in sides.items() if far[name] <= tolerance}, rounds)
    a, results = row.problem.draw(row.work), first["refconv"]
    flops, size = row.problem.flops(row.work, a, results), row.problem.bytes(row.work, a, results)
    limit = machine.seconds(flops, size, row.problem.dtype)
    return table.Measured(row.problem.name, row.work, row.bar, seconds, limit, flops, size, row.problem.dtype), wrong


def write(options, done, machine):
    """The files that were asked for."""
    if options.csv:
        options.csv.write_text(table.to_csv(done), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(table.to_markdown(done), encoding="utf-8")
    if options.png:
        from benchmarks.roofline import picture

        options.png.write_bytes(picture(done, machine))


if __name__ == "__main__":
    sys.exit(main())
