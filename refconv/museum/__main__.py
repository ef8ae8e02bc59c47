"""``python -m refconv.museum``: run exhibits and print their table."""

import argparse
import sys

from refconv.museum import EXHIBITS, show, table
from refconv.ops.engine import get_num_threads


def main(arguments=None) -> int:
    """Run the exhibits asked for; each row is told when it is there, and the table at the end."""
    parser = argparse.ArgumentParser("python -m refconv.museum", description="Run exhibits and print their table.")
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of: {', '.join(EXHIBITS)} (default: all)")
    add("--data", choices=("digits", "mnist"), default="digits", help="digits drawn by refconv (default), or MNIST")
    add("--images", type=int, metavar="N", help="training images")
    add("--epochs", type=int, metavar="N", help="times through the data")
    add("--seed", type=int, default=0, metavar="N", help="of weights, order and data (default: %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(EXHIBITS):
        parser.error(f"NAME must be one of {', '.join(EXHIBITS)}, but is {', '.join(sorted(unknown))}")
    given = [number for number in (options.images, options.epochs) if number is not None]
    if min(given, default=1) < 1 or options.seed < 0:
        parser.error("--images and --epochs must be at least 1, --seed at least 0")
    print(f"on {get_num_threads()} thread(s)", file=sys.stderr)
    rows = []
    for name in options.names or EXHIBITS:
        for row in show(name, source=options.data, images=options.images, epochs=options.epochs, seed=options.seed):
            rows.append(row)
            print("   ".join(row.cells()), file=sys.stderr, flush=True)
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
