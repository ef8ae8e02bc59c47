"""Write the generated parts of docs/architecture.md: the packages and their imports.

    python -m docs

The imports are read from the sources; purposes come from tests/package_layout.py and FOLDERS below. tests/test_docs.py fails
if the page is out of date.
"""

import functools
import re
from pathlib import Path

from tests.package_layout import PACKAGE, PACKAGES, package_of, packages_imported

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
FOLDERS = {
    "benchmarks": "speed, memory and start-up, measured beside other libraries",
    "docs": "this page, the decision records, and tables of adjoints, special values and rounding",
    "experiments": "the lectures' statements about training, tested on small data sets",
    "figures": "the lectures' pictures, each drawn by a script",
    "refconv": "the library",
    "tests": "the tests, in the same folders as the packages",
    "tutorials": "thirteen notebooks with exercises",
}
NOT_DRAWN = ("__init__", "__main__")  # they import every package or one


def main():
    """Run the command."""
    PAGE.write_text(updated(PAGE.read_text("utf-8")), "utf-8")


def updated(text):
    """Return the page with each generated part replaced by its current content."""
    for name, lines in {"levels": levels(), "imports": matrix(), "tree": tree()}.items():
        begin, end = f"<!-- {name}: written by python -m docs -->\n", "<!-- end -->"
        block = "\n".join(("```", *lines, "```\n"))
        text, count = re.subn(f"{begin}.*?{end}", lambda _, b=begin + block + end: b, text, flags=re.DOTALL)
        assert count == 1, f"{PAGE.name} must have one part {name}"
    return text


@functools.cache  # both drawings need it
def imports():
    """Return the packages that each package imports, from the lowest package to the highest."""
    found = {name: set() for name in PACKAGES if name not in NOT_DRAWN}
    for path in PACKAGE.rglob("*"):
        if path.suffix in (".py", ".pyx", ".pxd", ".pxi") and package_of(path) in found:
            found[package_of(path)] |= packages_imported(path) & set(found)
    return found


def levels():
    """Return one line for each level of packages, the highest first.

    A package imports only from lower levels.
    """
    level = {}
    for name, imported in imports().items():
        level[name] = 1 + max((level[other] for other in imported), default=-1)
    return [
        f"{number:2}   {'   '.join(name for name in level if level[name] == number)}"
        for number in sorted(set(level.values()), reverse=True)
    ]


def matrix():
    """Return the lines of a table with a mark where the row's package imports the column's."""
    found = imports()
    width = max(map(len, found))
    lines = [" " * (width + 3) + "".join(f"{number:3}" for number in range(1, len(found) + 1))]
    for number, (name, imported) in enumerate(found.items(), 1):
        marks = "".join("  ■" if other in imported else "  ·" if other == name else "   " for other in found)
        lines.append(f"{number:2} {name:{width}}{marks}".rstrip())
    return lines


def tree():
    """Return the lines of the folder tree, with the packages and modules directly in refconv."""
    lines = []
    for folder, purpose in FOLDERS.items():
        lines.append(f"{folder + '/':20}{purpose}")
        if folder == PACKAGE.name:
            for name, package in PACKAGES.items():
                file = f"{name}/" if (PACKAGE / name).is_dir() else f"{name}.py"
                lines.append(f"    {file:16}{package.purpose}")
    return lines


if __name__ == "__main__":
    main()
