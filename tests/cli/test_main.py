"""The parser and the exit statuses that all commands share."""

import os
import re
import subprocess
import sys

import pytest

from command_line import refconv
from evidence import needs_kernels
from refconv.cli import COMMANDS


@needs_kernels
def test_an_instruction_set_that_is_not_there_is_one_line(tmp_path):
    printed = refconv("info", cwd=tmp_path, status=1, REFCONV_ISA="v9")
    assert re.fullmatch(r"refconv: REFCONV_ISA must be one of .*, got 'v9'\n", printed)
    script = "import sys; sys.argv[0] = '/usr/bin/refconv'; from refconv.cli import main"  # what pip's script does
    environment = {**os.environ, "REFCONV_ISA": "v9"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, encoding="utf-8")
    assert (run.returncode, run.stderr) == (1, printed)


@pytest.mark.slow
@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_help_explains_itself(tmp_path, command):
    printed = refconv(command, "--help", cwd=tmp_path)
    assert len(printed.splitlines()) > 3
    assert command in refconv("--help", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("train", "lenet6"), 2, "invalid choice: 'lenet6'"),
        (("train", "lenet", "--epochs", "0"), 2, "--epochs: must be at least 1, got 0"),
        (("train", "lenet", "--batch-size", "many"), 2, "--batch-size: must be an integer, got 'many'"),
        (("train", "lenet", "--seed", "-1"), 2, "--seed: must be at least 0, got -1"),
        (("train", "lenet", "--images", "10", "--lr", "-1"), 1, "lr must be at least 0"),
        (("train", "lenet", "--threads", "5000"), 2, "--threads: must be at most 1024, got 5000"),
        (("walk",), 2, "invalid choice: 'walk'"),
    ],
)
def test_a_wrong_call_is_one_line_that_names_the_argument(tmp_path, arguments, status, message):
    printed = refconv(*arguments, cwd=tmp_path, status=status)
    assert message in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "runs").exists()


def test_help_imports_nothing_that_only_a_command_needs():
    code = (
        "import contextlib, io, sys, refconv\n"
        "before = set(sys.modules)\n"
        "from refconv.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(['--help'])\n"
        "print(*(set(sys.modules) - before - sys.stdlib_module_names))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout.split()
    imported = {name for name in printed if name.partition(".")[0] not in sys.stdlib_module_names}
    assert "refconv.cli.train" in imported
    assert {name for name in imported if not name.startswith("refconv.cli")} <= {
        "refconv._ascii",
        "refconv._optional",
        "refconv._version",
    }
