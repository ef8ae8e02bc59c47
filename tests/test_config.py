"""Tests of the settings in blocks, threads, tasks and processes."""

import asyncio
import concurrent.futures
import contextvars
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import refconv
from evidence import assert_same_bits, needs_kernels
from refconv import _config, _core, reference
from refconv._config import Settings, config, get_config, set_config
from refconv.data import Batches, Prefetch
from refconv.ops.dispatch import implementation

ROOT = Path(refconv.__file__).parents[1]


def run_python(script, root=ROOT, **environment):
    """Return the output of a script in a new interpreter that imports refconv from this folder."""
    environment = {**os.environ, "PYTHONPATH": str(root), **environment}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_kernels
def test_kernels_run_unless_a_block_selects_the_loops():
    assert get_config().engine == "kernels"
    with config(engine="reference"):
        assert get_config().engine == "reference"
        assert implementation("conv") is reference.conv
    assert get_config().engine == "kernels"


@needs_kernels
def test_blocks_nest_and_each_one_ends_with_the_settings_before_it():
    before = get_config()
    with config(engine="reference", threads=3, precision="fast", fusion=False) as outer:
        assert outer == get_config() == Settings("reference", 3, "fast", False)
        with config(threads=2, fusion=True):
            assert get_config() == Settings("reference", 2, "fast", True)
            with config(engine="kernels"):
                assert get_config() == Settings("kernels", 2, "fast", True)
        assert get_config() == outer
    assert get_config() == before


def test_an_exception_ends_the_block_and_passes_through():
    before = get_config()
    with pytest.raises(ZeroDivisionError), config(engine="reference", threads=3, precision="fast", fusion=False):
        raise ZeroDivisionError
    assert get_config() == before


WRONG = [
    ({"engine": "loops"}, ValueError, "engine must be 'kernels', 'numpy' or 'reference', got 'loops'"),
    ({"engine": "Reference"}, ValueError, "engine must be 'kernels', 'numpy' or 'reference', got 'Reference'"),
    ({"engine": ["kernels"]}, ValueError, "engine must be 'kernels', 'numpy' or 'reference', got ['kernels']"),
    ({"threads": 0}, ValueError, "threads must be from 1 to 1024, got 0"),
    ({"threads": -2}, ValueError, "threads must be from 1 to 1024, got -2"),
    ({"threads": 1025}, ValueError, "threads must be from 1 to 1024, got 1025"),
    ({"threads": 1.5}, TypeError, "threads must be an integer, got 1.5"),
    ({"threads": "2"}, TypeError, "threads must be an integer, got '2'"),
    ({"threads": True}, TypeError, "threads must be an integer, got True"),
    ({"threads": ()}, TypeError, "threads must be an integer, got ()"),
    ({"precision": "slow"}, ValueError, "precision must be 'standard' or 'fast', got 'slow'"),
    ({"fusion": 1}, TypeError, "fusion must be True or False, got 1"),
]


@pytest.mark.parametrize("change", [config, set_config])
@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_an_error_about_a_setting_names_it_and_changes_nothing(change, wrong, error, message):
    before = get_config()
    arguments = {"engine": "reference", "threads": 3, "precision": "fast", "fusion": False, **wrong}
    with pytest.raises(error, match=re.escape(message)) as caught:
        change(**arguments)
    assert isinstance(caught.value, refconv.ArgumentError)
    assert get_config() == before


@pytest.mark.parametrize("change", [config, set_config])
def test_an_unknown_setting_is_refused(change):
    with pytest.raises(TypeError, match="num_threads"):
        change(num_threads=2)


def test_kernels_that_were_not_built_are_refused(monkeypatch):
    monkeypatch.setattr(_config, "AVAILABLE_ENGINES", ("numpy", "reference"))
    with pytest.raises(RuntimeError, match="engine must be 'numpy' or 'reference' in a build without kernels"):
        config(engine="kernels")
    with config(engine="reference"):
        assert implementation("conv") is reference.conv


def test_config_outside_a_with_statement_warns_that_nothing_changed():
    before = get_config()
    message = r"refconv\.config\(threads=3\) changed nothing: use it in a with statement, or refconv\.set_config\(threads=3\)"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        config(threads=3)
    assert caught[0].filename == __file__
    assert get_config() == before


def test_config_cannot_be_entered_twice_or_called():
    block = config(threads=3)
    with block, pytest.raises(RuntimeError, match="config must be entered once"), block:
        pass
    with pytest.raises(TypeError, match="not callable"):
        block(len)


def test_config_stays_a_class_whatever_modules_are_imported():
    script = "import refconv, refconv.nn, refconv.training, refconv._config as m; print(refconv.config is m.config)"
    assert run_python(script) == "True"


@pytest.fixture
def defaults():
    """Return the defaults, and restore them after the test."""
    before = get_config()
    yield before
    set_config(**before._asdict())


def test_set_config_changes_the_defaults_of_all_threads(defaults):
    set_config(threads=np.int64(3), fusion=False)
    assert get_config() == defaults._replace(threads=3, fusion=False)
    assert type(get_config().threads) is int
    assert in_a_thread(get_config) == get_config()


def test_inside_a_block_set_config_changes_the_settings_that_the_block_leaves_open(defaults):
    with config(threads=5), config(precision="fast"):
        set_config(threads=3, fusion=False, precision="standard")
        assert get_config() == defaults._replace(threads=5, precision="fast", fusion=False)
    assert get_config() == defaults._replace(threads=3, fusion=False)


def in_a_thread(function, run=lambda function: function()):
    """Return the result of a function that runs in another thread."""
    results = []
    worker = threading.Thread(target=lambda: results.append(run(function)))
    worker.start()
    worker.join()
    return results[0]


def test_a_thread_of_the_program_has_the_defaults_unless_it_runs_in_a_copy_of_the_context():
    default = get_config()
    inherits = getattr(sys.flags, "thread_inherit_context", False)
    with config(engine="reference", threads=3) as inside:
        assert in_a_thread(get_config) == (inside if inherits else default)
        assert in_a_thread(get_config, contextvars.copy_context().run) == inside


def test_overlapping_blocks_of_two_threads_do_not_disturb_each_other():
    """Let the first thread enter and leave its block while the second thread is inside its own."""
    before, settings = get_config(), []
    second_is_inside, first_is_done = threading.Event(), threading.Event()

    def second():
        with config(engine="reference", threads=7):
            second_is_inside.set()
            assert first_is_done.wait(10)
            settings.append(get_config())
        settings.append(get_config())

    with config(threads=3, precision="fast"):
        worker = threading.Thread(target=second, args=())
        worker.start()
        assert second_is_inside.wait(10)
        assert get_config() == before._replace(threads=3, precision="fast")
    assert get_config() == before
    first_is_done.set()
    worker.join()
    if not getattr(sys.flags, "thread_inherit_context", False):
        assert settings == [before._replace(engine="reference", threads=7), before]


@needs_kernels
def test_kernels_compute_with_the_settings_of_the_thread_that_calls_them():
    """Let two threads compute in turns, one with standard precision and the other with fast."""
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((2, 61, 47, 50), np.float32), rng.standard_normal((3, 3, 50, 53), np.float32)
    expected = {}
    for precision in ("standard", "fast"):
        with config(precision=precision, threads=1):
            expected[precision] = refconv.conv2d(x, w)
    assert not np.array_equal(*expected.values())
    turn = threading.Barrier(2, timeout=20)

    def compute(precision, threads):
        with config(precision=precision, threads=threads):
            for _ in range(5):
                turn.wait()
                assert_same_bits(refconv.conv2d(x, w), expected[precision])

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(compute, "standard", 1), pool.submit(compute, "fast", 3)]:
            future.result()


def test_each_asyncio_task_has_its_own_settings():
    """Let each task wait inside its block until the other tasks are inside their blocks."""

    async def computes(threads):
        with config(threads=threads):
            for _ in range(3):
                await asyncio.sleep(0)
                refconv.relu([-1.0, 2.0])  # passes the settings to the kernels
                assert get_config().threads == threads
                assert not _core.ISA or kernel_settings() == (threads, 2)
        return get_config()

    async def main():
        return await asyncio.gather(*map(computes, (3, 5, 7)))

    assert asyncio.run(main()) == [get_config()] * 3


def kernel_settings():
    return _core.load("cpu", "baseline").settings_in_use()


@needs_kernels
def test_a_block_passes_its_settings_to_the_kernels_and_restores_the_old_ones():
    before = kernel_settings()
    with config(threads=5, precision="fast"):
        assert kernel_settings() == (5, 4)
        with config(engine="reference"):
            assert kernel_settings() == (5, 4)
    assert kernel_settings() == before


def test_the_thread_of_prefetch_uses_the_settings_of_the_thread_that_iterates():
    settings = []

    def prepare(images):
        settings.append(get_config())
        return images

    batches = Prefetch(Batches(np.ones((5, 4, 3)), np.arange(5), 2, prepare=prepare))
    with config(engine="reference", threads=3, fusion=False) as inside:
        assert len(list(batches)) == 3
    assert settings == [inside] * 3


CONVOLUTION = """
import os, signal, sys
import numpy as np
from refconv import _core
from refconv.ops.conv import conv2d
from refconv._config import Settings, config, get_config, set_config
from refconv.data import Batches, Prefetch
x, w = np.ones((4, 90, 61, 3), np.float32), np.ones((3, 2, 3, 20), np.float32)  # enough work for several threads
"""


@pytest.mark.skipif(not _core.available_threads(), reason="built without OpenMP")
@pytest.mark.parametrize(("value", "n"), [("3", 3), ("1025", 1024), ("7,2", 7)])
def test_omp_num_threads_is_the_default_number_of_threads(value, n):
    assert run_python(CONVOLUTION + "print(get_config().threads)", OMP_NUM_THREADS=value) == str(n)


@needs_kernels
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no CPU affinity on this system")
def test_the_default_number_of_threads_does_not_exceed_the_cpu_affinity():
    script = "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])\n"
    environment = {"OMP_NUM_THREADS": "", "OMP_THREAD_LIMIT": ""}
    assert run_python(script + CONVOLUTION + "print(get_config().threads)", **environment) == "1"


@pytest.mark.parametrize("change", [config, set_config])
def test_threads_are_refused_in_a_forked_child_where_they_would_hang(monkeypatch, change):
    before = get_config()
    monkeypatch.setattr("refconv._config._forks", 1)
    monkeypatch.setattr(_core, "threads_survive_fork", lambda: False)
    with pytest.raises(RuntimeError, match=r"threads must be 1 in a forked child, got 2: .* 'spawn'"):
        change(threads=2)
    assert get_config() == before


@needs_kernels
def test_a_forked_child_of_a_build_without_openmp_may_set_any_number_of_threads(monkeypatch):
    from refconv._core.isa.baseline import cpu

    monkeypatch.setattr("refconv._config._forks", 1)
    monkeypatch.setattr(cpu, "has_own_team", lambda: False)
    monkeypatch.setattr(cpu, "available_threads", lambda: 0)
    with config(threads=2):
        assert get_config().threads == 2


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in Linux's /proc")
@pytest.mark.skipif(not _core.available_threads(), reason="built without OpenMP")
def test_kernels_run_on_the_number_of_threads_that_is_set():
    script = CONVOLUTION + (
        "count = lambda: len(os.listdir('/proc/self/task'))\n"
        "set_config(threads=1); conv2d(x, w); before = count()\n"
        "set_config(threads=5); conv2d(x, w); print(count() - before)\n"
    )
    assert run_python(script, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1") == "4"


@needs_kernels
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_computes_the_same_after_the_parent_used_threads():
    script = CONVOLUTION + (
        "set_config(threads=2); y = conv2d(x, w)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(60)\n"  # kills a child that waits for threads which the fork did not copy
        "    os._exit(0 if get_config().threads == 1 and np.array_equal(conv2d(x, w), y) else 1)\n"
        "_, status = os.waitpid(child, 0)\n"
        "assert status == 0, status\n"
        "assert get_config().threads == 2 and np.array_equal(conv2d(x, w), y)\n"
        "print('parent and child agree')\n"
    )
    assert run_python(script) == "parent and child agree"


FORK_INSIDE_A_BLOCK = """
import os, signal
from refconv._config import config, get_config, set_config

with config(threads=4, precision="fast"):
    with config(fusion=False):
        child = os.fork()
        if not child:
            signal.alarm(60)
            found = [get_config()]
            set_config(threads=2)
            found.append(get_config())
            with config(threads=3):
                found.append(get_config())
            found.append(get_config())
    if not child:
        found.append(get_config())
        print([(s.threads, s.precision, s.fusion) for s in found], flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert get_config().threads == 4
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.skipif(not _core.threads_survive_fork(), reason="threads of this OpenMP do not survive a fork")
def test_a_child_forked_inside_a_block_starts_with_one_thread_and_the_other_settings_of_the_block():
    expected = [(n, "fast", False) for n in (1, 2, 3, 2)] + [(2, "fast", True)]
    assert run_python(FORK_INSIDE_A_BLOCK) == str(expected)


STEPS = """
import resource
import numpy as np
import refconv

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():  # allocates arrays of many sizes, 200 MB in total, and frees them at its end
    before, arrays = faults(), [np.ones(n << 20, np.uint8) for n in (80, 1, 33, 7, 63, 16)]
    return faults() - before

step()
default = step()
kept = refconv.keep_freed_memory()
step()
print(default, step() if kept else None)
"""


@pytest.mark.slow
@needs_kernels
def test_memory_that_is_kept_costs_no_page_faults():
    pytest.importorskip("resource")
    default, kept = run_python(STEPS).split()
    if kept == "None":
        pytest.skip("not glibc")
    assert int(default) > 90  # even with pages of two megabytes
    assert int(kept) < 30


@needs_kernels
def test_an_unknown_instruction_set_is_refused_by_name():
    script = "try:\n    import refconv._core\nexcept ImportError as error:\n    print(error)"
    message = run_python(script, REFCONV_ISA="v9")
    assert message.startswith("REFCONV_ISA must be one of")
    assert message.endswith("got 'v9'")


@pytest.fixture
def copied(tmp_path):
    """Return the folder of a copy of the package, which a test may damage."""
    shutil.copytree(ROOT / "refconv", tmp_path / "refconv", ignore=shutil.ignore_patterns("__pycache__", "*.pyx"))
    return tmp_path


def compiled(root):
    return [file for file in (root / "refconv" / "_core").glob("isa/*/*") if file.suffix in (".so", ".pyd")]


@needs_kernels
@pytest.mark.parametrize(("isa", "module"), [("baseline", "cpu"), (_core.ISA, "loss")])
def test_a_build_that_lacks_one_kernel_does_not_count_as_a_build_without_kernels(copied, isa, module):
    (missing,) = (f for f in compiled(copied) if (f.parent.name, f.name.partition(".")[0]) == (isa, module))
    missing.unlink()
    script = "try:\n    import refconv\nexcept ImportError as error:\n    print(error)"
    message = run_python(script, copied, REFCONV_ISA=_core.ISA)
    name = f"refconv._core.isa.{isa}.{module}"
    assert message == f"the kernels are incomplete: {name} is missing. Build or install refconv again."


IMPORT = (
    "try:\n    import refconv\nexcept ImportError as error:\n    print(error)\nelse:\n    print(refconv.get_config().engine)"
)


@needs_kernels
def test_a_package_without_kernels_can_be_imported_only_if_it_was_built_without_them(copied):
    for file in compiled(copied):
        file.rename(file.with_name(f"{file.name.partition('.')[0]}.cpython-27-x86_64-linux-gnu{file.suffix}"))
    assert "has kernels for another version of Python only. Build them with 'pip install -e .'" in run_python(IMPORT, copied)
    for file in compiled(copied):
        file.unlink()
    message = run_python(IMPORT, copied)
    assert message.startswith(f"{copied / 'refconv' / '_core'} has no compiled kernels. Build them with 'pip install -e .'")
    assert "'REFCONV_PURE=1 pip install -e .'" in message
    (copied / "refconv" / "_core" / _core.PURE_MARKER.name).touch()
    assert run_python(IMPORT, copied) == "numpy"
    printed = run_python("from refconv.cli import main; main(['info'])", copied)
    assert re.search(r"^kernels +none: built with REFCONV_PURE=1", printed, re.M)
    assert re.search(r"^engine +numpy$", printed, re.M)


@needs_kernels
@pytest.mark.parametrize("command", [["-m", "refconv", "info"], ["-c", "import sys; sys.argv = ['refconv']; import refconv"]])
def test_an_import_that_fails_raises_import_error_in_the_command_too(copied, command):
    for file in compiled(copied):
        file.unlink()
    environment = {**os.environ, "PYTHONPATH": str(copied)}
    done = subprocess.run(
        [sys.executable, *command], cwd=copied, capture_output=True, encoding="utf-8", env=environment, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "\nImportError: " in done.stderr
