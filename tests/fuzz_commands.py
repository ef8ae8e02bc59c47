"""Fuzzing of the command line with random options of each command, and junk.

``tests.fuzz`` runs it. The command runs in this process, in a folder with a few small files. It must end with status 0, or
print one line about what is wrong and end with status 1 or 2. A traceback is a fault.
"""

import contextlib
import importlib
import io
import json
import os
import re
import signal
import sys
import tempfile
from functools import cache
from pathlib import Path

from benchmarks import fuzzing
from fuzz_files import NUMBERS, Reader, pictures, saved_arrays
from fuzz_networks import changed_safetensors, models, with_description

__all__ = ["COMMANDS"]

SECONDS = 1  # for a command; a longer one is stopped, and counts as accepted
NAMES = ("train", "evaluate", "predict", "restore", "list", "download", "import", "export", "summary", "draw", "profile")
NAMES += ("try", "tables", "settings", "verify", "trace", "formulas", "info", "completion")
WORDS = (
    "",
    "-",
    "--",
    "x",
    "0",
    "1",
    "2",
    "-1",
    "1.5",
    "nan",
    "inf",
    "1e400",
    "9" * 30,
    "8x6",
    "8x6x3",
    "0x0",
    "1x",
    "é",
    "\ud800",
)
WORDS += (
    "lenet",
    "lenet-small",
    "resnet20-small",
    "lenet:mnist",
    "lenet:x",
    "digits",
    "mnist",
    "cifar10",
    "conv2d",
    "conv2d_dx",
)
WORDS += (
    "max_pool2d",
    "B3",
    "nn.Conv2D",
    "optim.SGD",
    "text",
    "json",
    "csv",
    "same",
    "0:1x2:0",
    "0,0,0,0",
    "..",
    "/",
    "~",
    "a\0b",
)
FILES = (
    "m.safetensors",
    "cut.safetensors",
    "no.safetensors",
    "image.png",
    "cut.png",
    "text.txt",
    "empty",
    "folder",
    "classes",
)
FILES += ("x.npy", "cut.npy", "out.png", "out.onnx", "cut.onnx", "cut.keras", "cut.pt", "folder/out.safetensors", "classes/a")
ABOUT_FILES = re.compile("damaged|readable|cannot be loaded|ends early|must be a file|got a folder")
LIMITS = {  # options that keep a command short
    "train": ("--images", "20", "--test-images", "10", "--epochs", "1"),
    "evaluate": ("--images", "10"),
    "restore": ("--steps", "1", "--size", "16"),
    "profile": ("--rounds", "1"),
    "try": ("lenet", "--small"),
    "verify": ("relu", "--quick"),
    "tables": ("--format", "json"),
}


@cache
def options_of(name):
    """Return the options of a command, from its parser."""
    from refconv import cli

    command = next((command for command in cli.COMMANDS if command.name == name), None)
    return [*command.parser().options, "--help"] if command else ["--help"]


def changed_arguments(rng, seeds):
    """Return the name of a command, and random arguments as JSON."""
    name = rng.choice(NAMES)
    arguments = [*LIMITS.get(name, ())] if rng.random() < 0.8 or name in ("verify", "try") else []
    for _ in range(rng.choice((0, 1, 1, 2, 3, 5))):
        word = rng.choice(rng.choice((WORDS, FILES, FILES, options_of(name), options_of(name))))
        arguments.insert(rng.randrange(len(arguments) + 1), word)
    if name in ("predict", "evaluate", "export", "summary", "draw") and rng.random() < 0.6:
        arguments[:0] = [rng.choice(("m.safetensors", "cut.safetensors", "lenet:mnist"))]
    if name == "predict" and rng.random() < 0.6:
        arguments.append(rng.choice(("image.png", "cut.png", "folder", "-")))
    if rng.random() < 0.02:
        name = rng.choice(WORDS)
    return name or "none", json.dumps([name, *arguments]).encode()


def prepare(folder, files):
    """Write the small files that the arguments name, and others."""
    contents = {
        "m.safetensors": models()[0],
        "image.png": pictures()[4],
        "x.npy": saved_arrays()[0],
        "text.txt": b"a\nb\n",
        "empty": b"",
    }
    contents |= {"cut.safetensors": models()[0][:-9], "cut.png": pictures()[4][:60], "cut.npy": saved_arrays()[0][:90]}
    contents |= {"cut.onnx": b"\x08\x08\x3a", "cut.keras": b"PK\x03\x04", "cut.pt": b"PK\x03\x04\0"}
    for name in ("a", "b"):
        contents |= {f"classes/{name}/{k}.png": pictures()[k + 4] for k in range(2)}
    contents |= {"folder/image.png": pictures()[1], **files}
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Stopped(BaseException):
    """Signal that a command has run long enough."""


def stop(*_):
    raise Stopped


def outcome(path):
    """Run the arguments in a file; return "loaded", "refused" or the fault.

    The exit status is 0 for "loaded", and 1 or 2 for "refused".
    """
    return outcome_of(json.loads(path.read_bytes()), {})


def outcome_of(arguments, files):
    """Run arguments in a folder with these files and the files of `prepare`."""
    from refconv.cli import main

    output = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"),
        io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"),
    )
    environment = dict(REFCONV_DATA_DIR="folder", XDG_CACHE_HOME="cache", HOME="home", HTTP_PROXY="http://127.0.0.1:9")
    environment |= dict(HTTPS_PROXY="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9", COLUMNS="80")
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        prepare(Path(folder), files)
        os.chdir(folder)
        stack.callback(os.chdir, before)
        os.environ.update(environment)
        stack.enter_context(contextlib.redirect_stdout(output[0]))
        stack.enter_context(contextlib.redirect_stderr(output[1]))
        status = run(main, arguments)
        for stream in output:
            stream.flush()
    text = output[1].buffer.getvalue().decode()
    if status in (1, 2) and not text.strip() and not output[0].buffer.getvalue():
        return f"status {status} without a message: {arguments}"
    if status in (1, 2) and "Traceback" in text:
        return f"a traceback: {arguments}"
    if status == 1 and ABOUT_FILES.search(text) and not any(name and name in text for name in arguments):
        return f"a message without the name of a file: {arguments}: {text}"
    return "loaded" if status == 0 else "refused" if status in (1, 2) else f"status {status}: {arguments}"


def run(main, arguments):
    """Return the exit status of a command, 0 if it was stopped."""
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(pictures()[4]))
    handler = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code
    except Stopped:
        return 0
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}: {arguments}") from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        sys.stdin = stdin


def seeds():
    """Return valid arguments, after importing what the commands need.

    Child processes then start faster.
    """
    for name in (
        "matplotlib.pyplot",
        "onnx",
        "pooch",
        "refconv.drawing",
        "refconv.onnx",
        "refconv.training",
        "refconv.verify",
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in NAMES:
        options_of(name)
    return [b'["info"]']


RUN = ["train", "lenet", "--images", "20", "--test-images", "10", "--epochs", "2", "--input", "32x32"]


@cache
def runs():
    """Return the checkpoint of a run of `refconv train` after its first epoch."""
    from refconv.cli import main
    from refconv.training import Checkpoint

    contents, save = [], Checkpoint.save

    def saved(checkpoint, run, best=False):
        save(checkpoint, run, best)
        contents.append(checkpoint.last.read_bytes())

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        Checkpoint.save = saved
        try:
            main([*RUN, "--out", f"{folder}/run"])
        finally:
            Checkpoint.save = save
    return contents[:1]


def resumed(path):
    """Continue a run from a checkpoint; return the same as `outcome`."""
    return outcome_of(["train", "lenet", "--resume", "run"], {"run/last.safetensors": path.read_bytes()})


def changed_run(rng, seeds):
    """Return a change of a checkpoint, often of the options in its notes."""
    if rng.random() < 0.5:
        return changed_safetensors(rng, seeds)
    options = {}
    content = with_description(seeds[0], "refconv-checkpoint", lambda description: options.update(description["notes"]))
    options = fuzzing.with_changed_json(options, rng, [*WORDS[:-1], *NUMBERS, True, None, [], {}, [1, "x"]])
    return "options", with_description(content, "refconv-checkpoint", lambda description: description.update(notes=options))


COMMANDS = (
    Reader("command", "arguments.json", seeds, outcome, changed_arguments),
    Reader("run", "last.safetensors", runs, resumed, changed_run),
)
