"""``python -m refconv.museum``: run exhibits and print their table."""

import argparse
import os
import sys

from refconv._ascii import use_ascii_forms
from refconv._config import get_num_threads
from refconv.museum import EXHIBITS, SOURCES, show, table


def main(arguments=None) -> int:
    """Run the exhibits asked for; returns the exit status: 0, or 1 after an error, 2 after a wrong call, 130 after Ctrl-C."""
    use_ascii_forms()
    parser = argparse.ArgumentParser("python -m refconv.museum", description="Run exhibits and print their table.")
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of: {', '.join(EXHIBITS)} (default: all)")
    add("--data", choices=SOURCES, default="digits", help="digits drawn by refconv (default), or MNIST")
    add("--images", type=int, metavar="N", help="training images")
    add("--epochs", type=int, metavar="N", help="times through the data; hundreds of steps for denoise and inpaint")
    add("--seed", type=int, default=0, metavar="N", help="of weights, order and data (default: %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(EXHIBITS):
        parser.error(f"NAME must be one of {', '.join(EXHIBITS)}, but is {', '.join(sorted(unknown))}")
    given = [number for number in (options.images, options.epochs) if number is not None]
    if min(given, default=1) < 1 or options.seed < 0:
        parser.error("--images and --epochs must be at least 1, --seed at least 0")
    try:
        print(table(_rows(options)), flush=True)
    except BrokenPipeError:  # whoever read us has had enough; what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ImportError, OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    return 0


def _rows(options):
    """All rows; each is also told as soon as it is there."""
    print(f"on {get_num_threads()} thread(s)", file=sys.stderr)
    rows = []
    for name in options.names or EXHIBITS:
        for row in show(name, source=options.data, images=options.images, epochs=options.epochs, seed=options.seed):
            rows.append(row)
            print("   ".join(row.cells()), file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
