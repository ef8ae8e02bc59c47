"""Tests of the parser and the exit statuses of all commands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import command_line
import refconv
from evidence import needs_kernels
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv._optional import MissingPackage
from refconv.cli import COMMANDS, main
from refconv.cli.command import Failure


@needs_kernels
def test_the_error_about_an_unknown_instruction_set_names_it(tmp_path):
    printed = command_line.refconv("info", cwd=tmp_path, status=1, REFCONV_ISA="v9")
    assert re.search(r"\nImportError: REFCONV_ISA must be one of .*, got 'v9'\n$", printed)


@pytest.mark.slow
@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_a_help(tmp_path, command):
    printed = command_line.refconv(command, "--help", cwd=tmp_path)
    assert len(printed.splitlines()) > 3
    assert command in command_line.refconv("--help", cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ("train", "lenet6"),
            2,
            "argument MODEL: must be one of the networks listed by --help, got 'lenet6'; did you mean lenet?",
        ),
        (
            ("train", "neocognitron"),
            2,
            "argument MODEL: must be a classifier or a unet, got 'neocognitron', which learns without labels",
        ),
        (("train", "lenet", "--lr", "nan"), 2, "argument --lr: must be finite, got nan"),
        (("train", "lenet", "--lr", "-1"), 2, "argument --lr: must be at least 0, got -1"),
        (("train", "lenet", "--label-smoothing", "1.5"), 2, "argument --label-smoothing: must be from 0 to 1, got 1.5"),
        (("train", "lenet", "--epoch", "3"), 2, "unknown argument --epoch; did you mean --epochs?"),
        (("train", "lenet", "--data", "minst"), 1, "got 'minst'; did you mean mnist"),
        (("train", "lenet", "--validation", "1.5"), 2, "argument --validation: must be above 0 and below 1, got 1.5"),
        (
            ("train", "lenet", "--patience", "3"),
            1,
            "--validation must be given with --patience, which uses the validation loss",
        ),
        (("train", "lenet", "--shards", "5"), 1, "--shards must divide --batch-size 64, got 5"),
        (("train", "resnet20", "--sync-bn"), 1, "--shards must be given with --sync-bn, got none"),
        (
            ("train", "stochastic-depth110", "--sync-bn", "--shards", "8"),
            1,
            "--sync-bn must be left out for networks that drop layers at random, got stochastic-depth110",
        ),
        (
            ("train", "resnet20", "--small", "--sync-bn", "--shards", "8", "--images", "5"),
            1,
            "--sync-bn must have an image for each of 8 shards, got 5 images",
        ),
        (("train", "lenet", "--warmup-epochs", "3"), 1, "--warmup-epochs must be less than --epochs 3, got 3"),
        (
            ("train", "lenet", "--warmup-epochs", "1", "--schedule", "plateau", "--validation", "0.1"),
            1,
            "--warmup-epochs must be left out with --schedule plateau, got both",
        ),
        (("train", "lenet", "--schedule", "plateau"), 1, "--validation must be given with --schedule plateau"),
        (("draw", "lenet", "--out", f"{__file__}/x.png"), 1, f"{__file__}: "),
        (("trace", "conv2d", "--x", str(Path(__file__).parent)), 1, f"{Path(__file__).parent}: "),
        (("train", "lenet", "--lr", "fast"), 2, "--lr: must be a number, got 'fast'"),
        (("train",), 2, "the following arguments are required: MODEL"),
        (("train", "lenet", "--epochs", "0"), 2, "--epochs: must be at least 1, got 0"),
        (("train", "lenet", "--batch-size", "many"), 2, "--batch-size: must be an integer, got 'many'"),
        (("train", "lenet", "--seed", "-1"), 2, "--seed: must be at least 0, got -1"),
        (("train", "lenet", "--images", "10", "--clip-norm", "0"), 1, "clip_norm must be above 0, got 0"),
        (
            ("train", "lenet", "--images", "10", "--optimizer", "adam", "--momentum", "0.8"),
            1,
            "--momentum must be left out with --optimizer adam, got 0.8",
        ),
        (("train", "lenet", "--threads", "5000"), 2, "--threads: must be at most 1024, got 5000"),
        (("walk",), 2, "unknown command 'walk'"),
        (("sumary", "lenet"), 2, "unknown command 'sumary'; did you mean summary?"),
        (("--verison",), 2, "unknown option '--verison'; did you mean --version?"),
    ],
)
def test_the_error_about_a_wrong_call_is_one_line_that_names_the_argument(
    tmp_path, monkeypatch, capsys, arguments, status, message
):
    monkeypatch.chdir(tmp_path)
    assert status_of(arguments) == status
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("refconv")
    assert message in first
    assert len(others) == (status == 2)
    assert not others or re.fullmatch(r"Run `refconv[ a-z]* --help` to see what it accepts\.", others[0])
    assert not (tmp_path / "runs").exists()


def status_of(arguments):
    try:
        return main(arguments)
    except SystemExit as error:
        return error.code


def test_without_arguments_the_help_is_printed(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert printed == capsys.readouterr().out
    assert all(f"  {command.name:10}{command.help}\n" in printed for command in COMMANDS)
    assert "\nexit status:\n  0 " in printed
    assert "96x128" in printed


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"refconv {refconv.__version__}\n"


@pytest.mark.parametrize("error", [TypeError, ValueError, RuntimeError, FloatingPointError, KeyError, ImportError])
def test_an_internal_error_is_shown_with_its_traceback(monkeypatch, error):
    def broken(*arguments, **options):
        raise error("a bug")

    monkeypatch.setattr(refconv, "summary", broken)
    with pytest.raises(error, match="a bug"):
        main(["summary", "lenet"])


@pytest.mark.parametrize(
    "error", [ArgumentTypeError("x"), ArgumentValueError("x"), OSError("x"), MissingPackage("x"), Failure("x")], ids=repr
)
def test_an_error_of_the_user_is_printed_in_one_line(monkeypatch, capsys, error):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(refconv, "summary", refuse)
    assert main(["summary", "lenet"]) == 1
    assert capsys.readouterr().err == "refconv: x\n"


def test_ctrl_c_has_exit_status_130(monkeypatch, capsys):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(refconv, "summary", interrupt)
    assert main(["summary", "lenet"]) == 130
    assert capsys.readouterr().err == "refconv: interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows closes pipes differently")
@pytest.mark.parametrize("both", [False, True], ids=["output", "output and errors"])
@pytest.mark.parametrize(("arguments", "status"), [(("summary", "lenet"), 0), (("summary", "lenet", "--input", "4x4"), 1)])
def test_a_closed_pipe_does_not_change_the_exit_status_and_prints_nothing(arguments, status, both):
    command = [sys.executable, "-m", "refconv", *arguments]
    errors = subprocess.STDOUT if both else subprocess.PIPE
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8") as process:
        process.stdout.close()  # before Python has started, so the first write fails
        printed = "" if both else process.stderr.read()
    assert process.returncode == status
    assert printed.count("\n") == (status if not both else 0)


def test_help_imports_no_module_that_only_a_command_needs():
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
        "refconv._errors",
        "refconv._files",
        "refconv._optional",
        "refconv._progress",
        "refconv._version",
    }


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sh")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_do_not_change_the_exit_status(closed):
    for arguments, status in (("summary lenet", 0), ("summary lenet --input 3x3", 1)):
        command = f'exec "$0" -m refconv {arguments} {closed}'
        result = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, encoding="utf-8")
        assert result.returncode == status
        assert "Traceback" not in result.stderr
