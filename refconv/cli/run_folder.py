"""Output folder of ``refconv train``, and the options that a resumed run reads from it."""

from __future__ import annotations

import argparse
import contextlib
import json
import reprlib
import tempfile
import warnings
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from refconv._errors import ArgumentValueError
from refconv._files import link_target
from refconv.cli.parser import Parser
from refconv.data.sources import SOURCES
from refconv.models import weights_names
from refconv.training.checkpoint import read_checkpoint

__all__ = ["output_folder", "own_options", "restore_options"]

CHECKPOINT = "last.safetensors"
RUN_FILES = (CHECKPOINT, "previous.safetensors", "best.safetensors", "model.safetensors", "history.csv", "training.png")
FOLDERS = ("data", "test_data")  # options that may name folders of pictures
NOT_RESTORED = (
    "engine",
    "given",
    "out",
    "parser",
    "quiet",
    "resume",
    "run",
    "threads",
)  # options that may change when a run is resumed


@contextlib.contextmanager
def output_folder(options: Namespace) -> Iterator[Path]:
    """Create the output folder of a run, and remove it afterwards if it is empty."""
    folder = _create(options)
    try:
        with tempfile.TemporaryFile(dir=folder):  # check before an hour of training that the folder is writable
            pass
        for name in RUN_FILES:
            link_target(folder / name)  # raises an error for a link that points to no file
        yield folder
    finally:
        with contextlib.suppress(OSError):  # rmdir raises an error if the folder is not empty
            folder.rmdir()
            if not options.out:
                folder.parent.rmdir()


def _create(options: Namespace) -> Path:
    """Create the folder named by --out, or a new folder runs/MODEL-DATA, runs/MODEL-DATA-2, ….

    Raise ``FileExistsError`` if --out contains files of another run.
    """
    link_target(options.out or "runs")
    if options.out:
        folder = Path(options.out)
        existing = next((name for name in RUN_FILES if (folder / name).exists()), None)
        if existing and not options.resume:
            advice = f", or continue that run with --resume {folder}" if existing == CHECKPOINT else ""
            raise FileExistsError(f"--out {folder} already contains {existing}; choose another folder{advice}")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    Path("runs").mkdir(exist_ok=True)
    name, number = f"{options.model}-{data_name(options.data)}", 1
    while True:
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()  # without exist_ok, because another run may have created this folder a moment ago
        except FileExistsError:
            number += 1
        else:
            return folder


def data_name(source: str) -> str:
    """Return the name of a data set, or the last part of the path of a folder."""
    return source if source in SOURCES else Path(source).expanduser().resolve().name


def own_options(options: Namespace) -> dict[str, Any]:
    """Return the options that a checkpoint stores, for :func:`restore_options`.

    Folders of pictures and files of weights have absolute paths, so that a run can be resumed in any working folder.
    """
    own = {name: value for name, value in vars(options).items() if name not in NOT_RESTORED}
    paths = {name: own[name] for name in FOLDERS if own.get(name) and own[name] not in SOURCES}
    if (path := own.get("weights")) and path not in weights_names(own["model"]) and Path(path).expanduser().exists():
        paths["weights"] = path
    return own | {name: str(Path(path).expanduser().resolve()) for name, path in paths.items()}


def restore_options(options: Namespace) -> None:
    """Restore the options of the run in the folder named by --resume.

    Folders named by --data and --test-data replace the folders of the run, which may have been moved.
    """
    path = Path(options.resume) / CHECKPOINT
    if not path.exists():
        raise FileNotFoundError(
            f"--resume {options.resume} must contain {CHECKPOINT}, got none: that run is complete, or it never started"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fit warns about a damaged checkpoint
        notes = read_checkpoint(path.parent)[1].get("notes", {})
    _check_notes(notes, options.parser, path)
    if notes.get("model") != options.model:
        raise ArgumentValueError(f"--resume {options.resume} must be a run of {options.model}, got {notes.get('model')}")
    _refuse_changes(options, notes)
    given = {name: folder for name in FOLDERS if (folder := getattr(options, name)) is not None}
    restored = {name: value for name, value in notes.items() if name in vars(options) and name not in NOT_RESTORED}
    vars(options).update({**restored, **given}, out=options.resume)
    for name in FOLDERS:
        _check_folder(f"--{name.replace('_', '-')}", notes.get(name), getattr(options, name))


def _check_notes(notes: Any, parser: Parser, path: Path) -> None:
    """Raise ``ValueError`` for options in a checkpoint that the command line does not accept."""
    if not isinstance(notes, dict):
        raise ArgumentValueError(f"{path} must contain the options of a run, got {type(notes).__name__}")
    if not isinstance(notes.get("data"), str):
        raise ArgumentValueError(f"{path} must contain the data of a run, got {reprlib.repr(notes.get('data'))}")
    classes = notes.get("class_names")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise ArgumentValueError(f"{path} must contain the names of the classes, got {reprlib.repr(classes)}")
    actions = {action.dest: action for action in parser._actions}
    for name, value in notes.items():
        if name in actions and not _is_value_of(actions[name], value):
            raise ArgumentValueError(f"{path} must contain valid options of a run, got {reprlib.repr(value)} for {name}")


def _is_value_of(action: argparse.Action, value: Any) -> bool:
    """Return True if an option of the command line may have this value, read from JSON."""
    if value is None:
        return action.default is None
    if action.nargs == 0:
        return type(value) is bool
    if not callable(action.type):
        return isinstance(value, str)
    text = "x".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        return bool(json.loads(json.dumps(action.type(text))) == value)
    except (argparse.ArgumentTypeError, ValueError):
        return False


def _refuse_changes(options: Namespace, notes: dict[str, Any]) -> None:
    """Raise ``ValueError`` if an option on the command line differs from the run's own."""
    own = json.loads(json.dumps(own_options(options)))  # as in the checkpoint: lists instead of tuples
    for name, option in options.given.items():
        if name in notes and name not in FOLDERS and own[name] != notes[name]:
            before = "left out" if notes[name] in (None, False) else f"{notes[name]}"
            raise ArgumentValueError(f"{option} must be {before}, as in the resumed run, got {own[name]}")


def _check_folder(option: str, before: str | None, folder: str | None) -> None:
    """Check that an option of a resumed run is unchanged, or names a folder that was moved."""
    if folder != before and (folder in SOURCES or before is None or before in SOURCES):
        raise ArgumentValueError(f"{option} must be {before or 'left out'}, as in the resumed run, got {folder}")
    if folder is not None and folder not in SOURCES and not Path(folder).expanduser().is_dir():
        raise ArgumentValueError(f"{option} must name the folder of pictures, because there is no folder {folder}")
