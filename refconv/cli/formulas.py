"""Command ``refconv formulas``: print the index of the lectures' formulas."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.cli.arguments import one_of
from refconv.cli.command import Command
from refconv.cli.console import print_json
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.verify.lectures.index import Entry, Loop

__all__ = ["COMMAND", "data", "markdown", "text"]

DESCRIPTION = """\
Print the index of formulas: each formula of the lectures with the loop that implements it, the compiled kernel that computes
it, their tests, the experiments and figures that show it, and the kinds of evidence that `refconv verify` collects for it.
With --adjoints, print for each derivative the operator that computes it.
"""

HEAD = ("id", "statement", "code", "kernel", "tests", "experiments and figures", "evidence")


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="ids of slides such as B3, or operators such as conv2d_dx (default: all)")
    add("--adjoints", action="store_true", help="print the table of operators whose derivative is another operator")
    add("--format", **one_of("text", "markdown", "json"), default="text", help="output format (default: %(default)s)")


def run(options: Namespace) -> None:
    need("hypothesis", "verify", "refconv formulas")
    if options.adjoints:
        _print_adjoints(options.names, options.format)
    elif options.format == "json":
        print_json(data(options.names))
    else:
        print({"text": text, "markdown": markdown}[options.format](options.names))


def _print_adjoints(names: Sequence[str], form: str) -> None:
    from refconv.verify.lectures import adjoints

    if names:
        raise ArgumentValueError(f"NAME must be left out with --adjoints, got {' '.join(names)}")
    if form == "json":
        print_json(adjoints.data())
    else:
        print({"text": adjoints.text, "markdown": adjoints.markdown}[form]())


def data(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the entries as JSON-serialisable data; a place in the code has a path and a line."""
    from refconv.verify.lectures.index import select

    return [
        {
            "id": entry.id,
            "statement": entry.statement,
            "loops": [{**asdict(loop), "place": _place(loop.place), "kernel": _place(loop.kernel)} for loop in entry.loops],
            "elsewhere": [{"name": name, **_place(place)} for name, *place in entry.elsewhere],
            "tests": entry.properties,
            "demonstrations": entry.demonstrations,
            "evidence": entry.evidence,
        }
        for entry in select(names)
    ]


def _place(place: Sequence[Any] | None) -> Any:
    return place and dict(zip(("path", "line"), place, strict=True))


def text(names: Sequence[str] = ()) -> str:
    """Return each statement with its loops, kernels, tests and evidence, with line numbers."""
    from refconv.verify.lectures.index import root, select
    from refconv.verify.lectures.statements import STATEMENTS

    chosen = select(names)  # raises for an unknown name
    slides = [name for name in names if name.upper() in STATEMENTS]
    blocks = [_function_text(name) for name in dict.fromkeys(names) if name not in slides]
    for entry in select(slides) if slides else () if names else chosen:
        lines = [f"{entry.id:4} {entry.statement}"]
        for loop in entry.loops:
            lines += _block(loop)
        lines += ["     see also {}   {}:{}".format(*place) for place in entry.elsewhere]
        lines += [f"     test {name}" for name in entry.properties]
        lines += [f"     {path.split('/')[0][:-1]} {path}" for path in entry.demonstrations]
        if not entry.is_implemented:
            lines.append("     not implemented")
        blocks.append("\n".join(lines))
    if root() is None:
        blocks.append("The tests are not installed with refconv; the source distribution contains them.")
    return "\n\n".join(blocks)


def _function_text(name: str) -> str:
    """Return the text of the loop or function with this name, below the ids of its slides."""
    from refconv.verify.lectures.index import named, select

    matches = select([name])
    slides = ", ".join(entry.id for entry in matches if entry.id)
    lines = [f"slides {slides}"] if slides else []
    if loop := named(name):
        lines += _block(loop)
    else:
        lines += ["     {}   {}:{}".format(*place) for place in matches[0].elsewhere]
    return "\n".join(lines)


def _block(loop: Loop) -> list[str]:
    return [f"     {loop.name}   {loop.formula}".rstrip(), *(f"         {part}" for part in _places(loop))]


def _places(loop: Loop) -> list[str]:
    kernel = "kernel {}:{}".format(*loop.kernel) if loop.kernel else ""
    evidence = ", ".join(dict.fromkeys([*loop.evidence, *_libraries(loop)]))
    place = "{} {}:{}".format("loop" if "/reference/" in loop.place[0] else "code", *loop.place)
    return [
        "   ".join(filter(None, (place, kernel))),
        *filter(None, (_file_pattern(loop.tests), evidence)),
    ]


def _file_pattern(files: Sequence[str]) -> str:
    """Return a pattern for files that differ in one folder: tests/{reference,ops}/test_conv.py."""
    folders = [file.split("/")[1] for file in files]
    return f"tests/{{{','.join(folders)}}}/{files[0].split('/')[2]}" if len(files) > 1 else "".join(files)


def _libraries(loop: Loop) -> list[str]:
    """Return ["oracle"] if an installed library implements the loop's operator, else []."""
    from refconv.verify.catalogue import CATALOGUE, find

    return ["oracle"] if loop.evidence and _has_oracle(find(loop.name, CATALOGUE).name) else []


@cache
def _has_oracle(name: str) -> bool:
    from refconv.verify.catalogue import CATALOGUE
    from refconv.verify.evidence.kinds import gather

    return gather(CATALOGUE[name], "oracle", quick=True).cases > 0


def markdown(names: Sequence[str] = ()) -> str:
    """Return the index as a Markdown table with links.

    It contains nothing that changes with small edits or depends on the machine, such as line numbers.
    """
    from refconv.verify.lectures.index import entries, select

    rows = [HEAD, ("---",) * len(HEAD), *(_row(entry) for entry in select(names))]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    missing = [entry.id for entry in entries() if not entry.is_implemented and not entry.id.startswith("M")]
    return table if names or not missing else f"{table}\n\nNot implemented: {', '.join(missing)}."


def _row(entry: Entry) -> tuple[str, ...]:
    families: dict[str, list[Loop]] = {}
    for loop in entry.loops:
        families.setdefault(loop.family, []).append(loop)
    where = [f"{_link(loops[0].place[0])}: {', '.join(f'`{loop.name}`' for loop in loops)}" for loops in families.values()]
    where += [", ".join(f"[`{name}`]({path})" for name, path, _ in entry.elsewhere)] if entry.elsewhere else []
    kernels = dict.fromkeys(_link(loop.kernel[0]) for loop in entry.loops if loop.kernel)
    # One test file per family. Files with the same name test a loop and its public operator; the latter is listed.
    files = {file.rpartition("/")[2]: file for folder in ("reference", "ops") for file in _in_folder(entry, folder)}
    files |= {name.partition("::")[0]: name.partition("::")[0] for name in entry.properties}
    tests = dict.fromkeys(_link(file) for file in files.values())
    shown = ", ".join(map(_link, entry.demonstrations))
    return (
        entry.id,
        entry.statement,
        "<br>".join(where),
        ", ".join(kernels),
        ", ".join(tests),
        shown,
        ", ".join(entry.evidence),
    )


def _in_folder(entry: Entry, folder: str) -> list[str]:
    return [file for loop in entry.loops for file in loop.tests if file.split("/")[1] == folder]


def _link(file: str) -> str:
    return f"[{file.rpartition('/')[2]}]({file})"


COMMAND = Command("formulas", "list the formulas with their loops and kernels", DESCRIPTION, add_arguments, run)
