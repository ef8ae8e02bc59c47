"""``python -m refconv.recipes``: run recipes and print the table of what they reach."""

import argparse
import sys

from refconv._ascii import use_ascii_forms
from refconv._config import get_num_threads
from refconv.recipes import RECIPES, cook, table


def main(arguments=None) -> int:
    """Run the recipes asked for; each row is told when it is there, and the table at the end."""
    use_ascii_forms()
    names = "\n".join(f"  {name:14s} {recipe.says}" for name, recipe in RECIPES.items())
    parser = argparse.ArgumentParser(
        "python -m refconv.recipes",
        description=f"Run recipes and print the table of what they reach.\n\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller, and one seed: whether they run, not what they reach")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="0 … N − 1 (default: %(default)s)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(RECIPES):
        parser.error(f"NAME must be one of {', '.join(RECIPES)}, but is {', '.join(sorted(unknown))}")
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, but is {options.seeds}")
    rows = []
    print(f"on {get_num_threads()} thread(s)", file=sys.stderr)
    for name in options.names or RECIPES:
        for row in cook(RECIPES[name], range(1 if options.quick else options.seeds), options.quick):
            rows.append(row)
            for cells in row.cells():
                print("   ".join(cells), file=sys.stderr, flush=True)
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
