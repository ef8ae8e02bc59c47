"""Comparison of refconv's speed with PyTorch, JAX, ONNX Runtime and OpenVINO.

    python -m benchmarks --threads 2 --rows conv1 "batch norm"

All libraries run each row of the table on the same number of threads, in turns. Times are in milliseconds: in each round, the
median of a block of calls is computed, and the smallest median counts. "limit" is the percentage of the machine's limit that
refconv reaches. The shortest possible time is the larger of operations ÷ peak and bytes ÷ bandwidth, both measured in this
run. Operations are counted by the definition, so a method with fewer operations may exceed 100 %. "ratio" is the time of
PyTorch in its faster memory format ÷ the time of refconv; in the rows of complete networks in inference, it is the time of the
fastest of all libraries ÷ the time of refconv. "bar" is the target for this ratio. Before a library is timed, its result is
compared with refconv's. The last lines are the geometric mean and the smallest of the ratios for each kind of work.

With --isa v3,v4 the table is measured twice, with AVX2 and with AVX-512, in all libraries that can be limited.
"""

import argparse
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import refconv
from benchmarks import each_isa, limits, measure, peers, table
from benchmarks.rows import chosen
from refconv import _core
from refconv._ascii import use_ascii_forms


def main(arguments=None):
    """Run the command; return 1 if the result of a library differs from refconv's, else 0."""
    use_ascii_forms()
    parser = make_parser()
    options = parser.parse_args(arguments)
    if not _core.ISA:
        parser.error("the benchmarks need kernels, but refconv was built without them (REFCONV_PURE=1)")
    try:
        rows, libraries = chosen(options.rows), selected_peers(options.peers)
        if options.isa is not None:
            return each_isa.run_with_each(each_isa.selected(options.isa), options, libraries)
    except ValueError as error:
        parser.error(str(error))
    rounds = options.rounds or (3 if options.quick else 9)
    prepare(options.threads, libraries)
    machine = limits.measure(options.threads)
    names = [name for library in libraries for name in peers.PEERS[library]]
    print(headline(options.threads, libraries, machine), table.heading(names), sep="\n", flush=True)
    done, failures = [], []
    for row in rows:
        measured, wrong = measure_row(row, names, rounds, machine)
        done.append(measured)
        failures += wrong
        print(table.line(measured.cells(names), names), *wrong, sep="\n", flush=True)
    print("", *table.summary(done), sep="\n")
    write(options, done, machine, names)
    return 1 if failures else 0


def make_parser():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=[], metavar="TEXT", help="only rows whose names contain one of these")
    parser.add_argument("--threads", type=positive, default=2, metavar="N")
    parser.add_argument(
        "--peers",
        metavar="NAMES",
        help=f"one or more of {','.join(peers.PEERS)} (default: all that are installed, except {','.join(peers.ON_REQUEST)})",
    )
    parser.add_argument("--rounds", type=positive, metavar="N", help="number of rounds (default: 9)")
    parser.add_argument("--quick", action="store_true", help="run three rounds only")
    parser.add_argument("--isa", metavar="NAMES", help="measure with each of these instruction sets: v3 (AVX2), v4 (AVX-512)")
    parser.add_argument("--csv", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--png", type=Path, metavar="FILE", help="also draw the roofline; needs matplotlib")
    return parser


def positive(text):
    """Return the positive integer in a command-line argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def selected_peers(text):
    """Return the libraries named in ``text``, or all installed ones if it is None."""
    if text is None:
        return [name for name in peers.PEERS if name not in peers.ON_REQUEST and peers.installed(name)]
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in peers.PEERS:
            raise ValueError(f"--peers must be one or more of {', '.join(peers.PEERS)}, got {name!r}")
        if not peers.installed(name):
            raise ValueError(
                f"--peers must be installed libraries, got {name!r}. Run: pip install {' '.join(peers.NEEDS[name])}"
            )
    return names


def prepare(threads, libraries):
    """Set the number of threads of all libraries, and keep freed memory in the process.

    The memory setting affects all libraries, because they share the process.
    """
    peers.set_num_threads(threads, libraries)
    refconv.set_config(threads=threads)
    refconv.keep_freed_memory()


def headline(threads, libraries, machine):
    """Return the heading: the compared versions and the machine's limits."""
    packages = dict.fromkeys(peers.NEEDS[name][0] for name in libraries)
    versions = ", ".join(f"{name} {version(name)}" for name in packages) or "no other library"
    peaks = ", ".join(f"{peak / 1e9:.0f} GFLOP/s in {dtype}" for dtype, peak in machine.peak.items())
    return (
        f"refconv {refconv.__version__} ({_core.ISA}) against {versions}; "
        f"Python {platform.python_version()}, {threads} threads\n"
        f"limits of this machine, just measured: {peaks}; {machine.bandwidth() / 1e9:.1f} GB/s from memory\n"
    )


def measure_row(row, names, rounds, machine):
    """Return the measured row and a message for each library whose result differs."""
    sides = row.problem.sides(row.work, names)
    first = {name: side.read(side.run()) for name, side in sides.items()}
    tolerance = 1e-3 if row.problem.dtype == "float32" else 1e-9
    far = {name: measure.differences(first["refconv"], result) for name, result in first.items()}
    wrong = [
        f"✗ {row.name}: the result of {name} differs by {distance:.1e} of the largest number, so it is not timed"
        for name, distance in far.items()
        if not distance <= tolerance
    ]
    seconds = measure.interleaved({name: side.run for name, side in sides.items() if far[name] <= tolerance}, rounds)
    a, results = row.problem.draw(row.work), first["refconv"]
    flops, size = row.problem.flops(row.work, a, results), row.problem.bytes(row.work, a, results)
    limit = machine.seconds(flops, size, row.problem.dtype)
    done = table.Measured(row.problem.name, row.work, row.bar, seconds, limit, flops, size, row.problem.dtype, row.rivals)
    return done, wrong


def write(options, done, machine, names):
    """Write the files that the options name."""
    if options.csv:
        options.csv.write_text(table.to_csv(done, names), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(table.to_markdown(done, names), encoding="utf-8")
    if options.png:
        from benchmarks.roofline import picture

        options.png.write_bytes(picture(done, machine))


if __name__ == "__main__":
    sys.exit(main())
