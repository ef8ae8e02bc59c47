"""Tests of ``refconv train`` in several processes of mpiexec, or in threads."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from argparse import Namespace
from pathlib import Path

import pytest

import refconv
from command_line import MPI_ENVIRONMENT, SMALL, find_mpiexec
from evidence import needs_kernels
from mpi_threads import in_processes
from refconv import _core
from refconv._optional import MissingPackage
from refconv.cli import main, mpi, training_run
from refconv.cli.mpi import processes_of_mpiexec, threads_of_a_process
from refconv.training.processes import Processes
from refconv.training.sharded_gradient import digest_of_weights

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

ARGUMENTS = (
    "train",
    "lenet",
    "--images",
    "100",
    "--test-images",
    "30",
    "--epochs",
    "2",
    "--augment",
    "shift",
    "--validation",
    "0.2",
)
MPIEXEC = find_mpiexec()
HAS_MPI = MPIEXEC is not None and importlib.util.find_spec("mpi4py") is not None
with_mpiexec = pytest.mark.skipif(not HAS_MPI, reason="mpiexec or mpi4py is not installed")


def digest(folder):
    """Return a digest of the weights of a run."""
    return digest_of_weights(refconv.load(folder))


def test_the_processes_of_mpiexec_need_mpi4py(monkeypatch):
    monkeypatch.delenv("OMPI_COMM_WORLD_SIZE", raising=False)
    monkeypatch.setenv("PMI_SIZE", "1")
    assert processes_of_mpiexec().size == 1
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingPackage, match=r'several processes needs mpi4py: pip install "refconv\[mpi\]"'):
        processes_of_mpiexec()


def test_another_mpi_library_is_refused(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "3")
    monkeypatch.setattr(mpi, "need", lambda *names: type("MPI", (), {"COMM_WORLD": Alone()}))
    with pytest.raises(ValueError, match="must be of the MPI library of mpi4py, got 3 processes, of which mpi4py finds 1"):
        processes_of_mpiexec()


@pytest.mark.parametrize(("variables", "count"), [({}, 0), ({"PMI_SIZE": "4"}, 4), ({"OMPI_COMM_WORLD_SIZE": "1"}, 1)])
def test_tasks_of_srun_are_counted_if_no_mpiexec_has_started_the_process(variables, count, monkeypatch):
    for name in (*mpi.SIZES, mpi.TASKS):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert mpi.started_processes() == count
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    assert mpi.started_processes() == (count or 2)


class Alone:
    """Communicator of one process."""

    def Get_size(self):  # noqa: N802
        return 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no processor masks")
def test_processes_on_the_same_processors_share_the_threads(monkeypatch):
    def counts(masks, size):
        own = iter(masks)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: next(own))
        with refconv.config(threads=8):
            return in_processes(size, lambda communicator: threads_of_a_process(Processes(communicator)))

    assert counts([{0, 1, 2, 3}] * 3, 3) == [2, 2, 2]
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    processes = in_processes(2, lambda communicator: threads_of_a_process(Processes(communicator)))
    assert processes == [None, None]  # the number that the user has chosen
    assert counts([{0, 1}, {2, 3}], 2) == [8, 8]
    assert threads_of_a_process(Processes()) is None


@pytest.mark.parametrize("option", ["--find-lr", "--dry-run"])
def test_rehearsals_are_refused_once_in_several_processes(option, monkeypatch, capsys):
    rank = {}
    monkeypatch.setattr(training_run, "processes_of_mpiexec", lambda: Processes(rank[threading.current_thread()]))
    monkeypatch.setattr(mpi, "REPORT_DELAY", 0.05)

    def refused(communicator):
        rank[threading.current_thread()] = communicator
        return main(["train", "lenet", option])

    in_processes(2, refused)
    assert "refconv train: --find-lr and --dry-run must be used without mpiexec, got 2 processes" in capsys.readouterr().err


def test_a_run_without_shards_is_not_resumed_in_several_processes():
    options = Namespace(shards=None, sync_bn=False, batch_size=64, resume="first")
    training_run.check_shards(options, 1)
    with pytest.raises(ValueError, match="--resume first must be a run with --shards to continue in 2 processes, got none"):
        training_run.check_shards(options, 2)


@needs_kernels
@pytest.mark.slow
def test_two_processes_train_the_same_network_as_one(monkeypatch, capsys, tmp_path):
    assert main([*ARGUMENTS, "--shards", "8", "--out", str(tmp_path / "one")]) == 0
    alone = capsys.readouterr().out

    def train(communicator):
        rank[threading.current_thread()] = communicator
        return main([*ARGUMENTS, "--out", str(tmp_path / "two")])

    rank = {}
    monkeypatch.setattr(training_run, "processes_of_mpiexec", lambda: Processes(rank[threading.current_thread()]))
    assert in_processes(2, train) == [0, 0]
    together = capsys.readouterr().out
    assert digest(tmp_path / "two") == digest(tmp_path / "one")
    assert together.count("epoch 1: ") == 1
    assert [line.split("|")[:2] for line in together.splitlines() if line.startswith("epoch")] == [
        line.split("|")[:2] for line in alone.splitlines() if line.startswith("epoch")
    ]


def start(*arguments, processes, cwd):
    """Start a command with mpiexec; the processes form a group."""
    command = [MPIEXEC, "-n", str(processes), sys.executable, "-m", "refconv", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    environment = {**os.environ, **MPI_ENVIRONMENT, "PYTHONPATH": str(Path(refconv.__file__).parents[1])}
    return subprocess.Popen(command, cwd=cwd, env=environment, start_new_session=True, **pipes)


def finished(process, seconds=120):
    """Return the output and the exit status of a command."""
    output, _ = process.communicate(timeout=seconds)
    return output, process.returncode


@pytest.mark.slow
@needs_kernels
@with_mpiexec
@pytest.mark.filterwarnings("ignore:model outputs differ between inference and training")  # after so few steps
@pytest.mark.parametrize("more", [(), ("--sync-bn", "--batch-size", "16")])
@pytest.mark.parametrize("processes", [2, 3])
def test_mpiexec_trains_the_same_network(processes, more, tmp_path):
    arguments = [*ARGUMENTS, *more, "--shards", "4", "--seed", "1"]
    if more:
        arguments[1] = "resnet20-small"
    assert main([*arguments, "--out", str(tmp_path / "one")]) == 0
    output, status = finished(start(*arguments, "--out", "several", processes=processes, cwd=tmp_path))
    assert status == 0, output
    assert output.count("epoch 2: ") == 1
    assert digest(tmp_path / "several") == digest(tmp_path / "one")


@pytest.mark.slow
@needs_kernels
@with_mpiexec
def test_a_killed_process_ends_all_and_another_number_of_processes_resumes(tmp_path):
    arguments = [*ARGUMENTS[:2], "--images", "3000", "--test-images", "30", "--epochs", "3", "--checkpoint-every", "5"]
    assert main([*arguments, "--shards", "8", "--out", str(tmp_path / "one")]) == 0
    run = start(*arguments, "--out", "several", processes=2, cwd=tmp_path)
    checkpoint = tmp_path / "several" / "last.safetensors"
    wait_for(checkpoint.exists)
    ranks = children(run.pid)
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    output, status = finished(run, 20)
    assert status != 0
    assert "kill" in output.lower()
    wait_for(lambda: not any(Path(f"/proc/{rank}").exists() for rank in ranks))
    output, status = finished(start("train", "lenet", "--resume", "several", processes=3, cwd=tmp_path))
    assert status == 0, output
    assert digest(tmp_path / "several") == digest(tmp_path / "one")


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def children(pid):
    """Return the processes of refconv that a process has started, also indirectly."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            found.append((int(folder.name), parent, command))
    known = {pid}
    for _ in found:
        known |= {child for child, parent, _ in found if parent in known}
    return sorted(child for child, _, command in found if child in known and command.split(b"\0")[1:3] == [b"-m", b"refconv"])


@pytest.mark.slow
@with_mpiexec
@pytest.mark.parametrize(
    ("environment", "more", "difference"),
    [
        ([], ["--lr", "0.04"], "the setting optimizer.lr"),
        ([], ["--seed", "1"], "the setting batches.fingerprint"),
        ([], ["--shards", "4"], "the setting shards"),
        (["env", "REFCONV_ISA=baseline"], [], "the instruction set"),
        (["env", "NPY_DISABLE_CPU_FEATURES=AVX512F AVX512_SKX AVX2 X86_V3 X86_V4"], [], "the results of NumPy's"),
    ],
)
def test_different_processes_are_refused(environment, more, difference, tmp_path):
    if "baseline" in str(environment) and _core.ISA == "baseline":
        pytest.skip("this machine has one instruction set")
    command = [sys.executable, "-m", "refconv", *SMALL, "--out", "out"]
    together = [MPIEXEC, "-n", "1", *command, ":", "-n", "1", *environment, *command, *more]
    variables = {**os.environ, **MPI_ENVIRONMENT, "PYTHONPATH": str(Path(refconv.__file__).parents[1])}
    result = subprocess.run(together, cwd=tmp_path, env=variables, capture_output=True, encoding="utf-8", timeout=120)
    assert result.returncode != 0
    assert f"refconv train: {difference}" in result.stdout + result.stderr
    assert "must be the same in all processes, got " in result.stdout + result.stderr
