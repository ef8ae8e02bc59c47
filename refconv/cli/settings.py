"""Command ``refconv settings``: print the papers' training settings with their sources."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from refconv.cli.arguments import one_of
from refconv.cli.command import Command
from refconv.cli.console import print_json
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.models.published import Setting, Training

__all__ = ["COMMAND"]

DESCRIPTION = """\
Print the settings with which the papers train their networks on ImageNet: batch size, optimiser, schedule, augmentation,
evaluation and more, each with its source. The source is a slide of the lecture, or a section of the paper if the slides are
silent. A line with "run:" states what a run of `python -m experiments settings` takes instead.
"""

HEAD = ("", "printed", "source", "run")


def add_arguments(parser: Parser) -> None:
    from refconv.models.published import TRAINING

    name = {**one_of(*TRAINING), "metavar": "NAME"}
    parser.add_argument("names", nargs="*", **name, help=f"any of: {', '.join(TRAINING)} (default: all)")
    parser.add_argument(
        "--format", **one_of("text", "markdown", "json"), default="text", help="output format (default: %(default)s)"
    )


def run(options: Namespace) -> None:
    from refconv.models.published import TRAINING, settings

    if options.format == "json":
        print_json([_as_dict(settings(name)) for name in options.names or TRAINING])
        return
    form = {"text": _text, "markdown": _markdown}[options.format]
    print("\n\n".join("\n".join(form(settings(name))) for name in options.names or TRAINING))


def _as_dict(training: Training) -> dict[str, Any]:
    """Return the settings as JSON-serialisable data."""
    rows = [
        {"setting": topic, "printed": setting.printed, "source": setting.source, "run": _note(setting)}
        for topic, setting in training.settings()
    ]
    return {"name": training.name, "paper": training.paper, "settings": rows}


def _text(training: Training) -> Iterator[str]:
    yield f"{training.name}: {training.paper}"
    for topic, setting in training.settings():
        source = f"  [{setting.source}]" if setting.source else ""
        yield f"  {topic:15} {setting.printed}{source}"
        if note := _note(setting):
            yield f"  {'':15} run: {note}"


def _markdown(training: Training) -> Iterator[str]:
    yield f"**{training.name}**: {training.paper}\n"
    yield f"| {' | '.join(HEAD)} |\n| --- | --- | --- | --- |"
    for topic, setting in training.settings():
        yield f"| {topic} | {setting.printed} | {setting.source} | {_note(setting)} |"


def _note(setting: Setting) -> str:
    """Return the note, after the number that a run takes if the paper states none."""
    from refconv.models.published.setting import NOT_STATED

    is_number = isinstance(setting.value, int | float) and setting.value > 0
    return f"{setting.value:g}, {setting.note}" if is_number and setting.printed == NOT_STATED else setting.note


COMMAND = Command("settings", "print the papers' training settings with their sources", DESCRIPTION, add_arguments, run)
