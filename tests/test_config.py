import contextlib
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
from evidence import needs_kernels, threads
from refconv import _core, reference
from refconv._config import current_engine, engine, get_num_threads, set_num_threads
from refconv.ops.dispatch import implementation

ROOT = Path(refconv.__file__).parents[1]


def run_python(script, root=ROOT, **environment):
    """The output of a script in a fresh interpreter that finds the refconv in this folder."""
    environment = {**os.environ, "PYTHONPATH": str(root), **environment}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_kernels
def test_kernels_run_unless_the_loops_are_asked_for():
    assert current_engine() == "kernels"
    with engine("reference"):
        assert current_engine() == "reference"
        assert implementation("conv") is reference.conv
    assert current_engine() == "kernels"


@needs_kernels
def test_engines_nest_and_each_block_ends_with_what_was_before_it():
    seen = []
    with engine("reference"):
        with engine("kernels"):
            with engine("reference"):
                seen.append(current_engine())
            seen.append(current_engine())
        seen.append(current_engine())
    assert seen == ["reference", "kernels", "reference"]


def test_an_exception_ends_the_block_and_passes_through():
    before = current_engine()
    with pytest.raises(ZeroDivisionError), engine("reference"):
        raise ZeroDivisionError
    assert current_engine() == before


def test_an_engine_decorates_a_function():
    @engine("reference")
    def which():
        return current_engine()

    assert [which(), which()] == ["reference"] * 2


@pytest.mark.parametrize("name", ["loops", "Reference", "", None, 1])
def test_an_unknown_engine_is_refused_and_nothing_changes(name):
    before = current_engine()
    with pytest.raises(ValueError, match=f"engine must be 'kernels' or 'reference', got {name!r}"), engine(name):
        pass
    assert current_engine() == before


@pytest.mark.parametrize("name", [[], {}, ["kernels"]])
def test_what_is_no_name_is_refused_as_an_unknown_engine(name):
    message = re.escape(f"engine must be 'kernels' or 'reference', got {name!r}")
    with pytest.raises(ValueError, match=message), engine(name):
        pass


def test_kernels_that_were_not_built_are_refused(monkeypatch):
    monkeypatch.setattr(_core, "ISA", None)
    with pytest.raises(RuntimeError, match="REFCONV_PURE"), engine("kernels"):
        pass
    with engine("reference"):
        assert implementation("conv") is reference.conv


def test_the_engine_of_one_thread_is_not_that_of_another():
    inside, done = threading.Event(), threading.Event()

    def other():
        with engine("reference"):
            inside.set()
            done.wait(10)

    before = current_engine()
    worker = threading.Thread(target=other)
    worker.start()
    assert inside.wait(10)
    assert current_engine() == before
    done.set()
    worker.join()


def test_a_thread_started_inside_a_block_runs_on_its_engine_in_a_copy_of_the_context():
    seen = []
    with engine("reference"):
        for run in (lambda look: look(), contextvars.copy_context().run):
            worker = threading.Thread(target=run, args=(lambda: seen.append(current_engine()),))
            worker.start()
            worker.join()
    inherits = getattr(sys.flags, "thread_inherit_context", False)
    assert seen == ["reference" if inherits else current_engine(), "reference"]


def settings():
    with engine("kernels") if _core.ISA else contextlib.nullcontext():
        fusion = refconv.get_fusion()  # on the loops it is always False
    return current_engine(), get_num_threads(), refconv.get_precision(), fusion


@needs_kernels
def test_config_sets_all_settings_and_restores_them():
    before = settings()
    with refconv.config(engine="reference", threads=3, precision="fast", fusion=False):
        assert settings() == ("reference", 3, "fast", False)
        with refconv.config(threads=2, fusion=True):
            assert settings() == ("reference", 2, "fast", True)
        assert settings() == ("reference", 3, "fast", False)
    assert settings() == before


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"engine": "loops"}, ValueError, "engine must be 'kernels' or 'reference', got 'loops'"),
        ({"threads": 0}, ValueError, "n must be from 1 to 1024, got 0"),
        ({"precision": "slow"}, ValueError, "precision must be 'standard' or 'fast', got 'slow'"),
        ({"fusion": 1}, TypeError, "fusion must be True or False, got 1"),
    ],
)
def test_config_with_a_wrong_argument_changes_nothing(wrong, error, message):
    before = settings()
    arguments = {"engine": "reference", "threads": 3, "precision": "fast", "fusion": False, **wrong}
    with pytest.raises(error, match=message), refconv.config(**arguments):
        pass
    assert settings() == before


def test_config_restores_the_settings_after_an_exception():
    before = settings()
    with pytest.raises(ZeroDivisionError), refconv.config(engine="reference", threads=3, precision="fast", fusion=False):
        raise ZeroDivisionError
    assert settings() == before


def test_config_stays_a_function_whatever_modules_are_imported():
    script = "import refconv, refconv.nn, refconv.training, refconv._config as m; print(refconv.config is m.config)"
    assert run_python(script) == "True"


def test_the_thread_count_is_kept():
    before = get_num_threads()
    with threads(3):
        assert get_num_threads() == 3
        set_num_threads(np.int64(2))
        assert get_num_threads() == 2
        set_num_threads(1024)
        assert get_num_threads() == 1024
    assert get_num_threads() == before >= 1


@pytest.mark.parametrize(
    ("n", "error"),
    [
        (0, ValueError),
        (-2, ValueError),
        (1.5, TypeError),
        ("2", TypeError),
        (True, TypeError),
        (None, TypeError),
        ((1, 2), TypeError),
        ((), TypeError),
        (1025, ValueError),
    ],
)
def test_what_is_no_thread_count_is_refused_and_the_old_one_stays(n, error):
    before = get_num_threads()
    with pytest.raises(error, match="n must be"):
        set_num_threads(n)
    assert get_num_threads() == before


CONVOLUTION = """
import os, signal, sys
import numpy as np
from refconv import _core
from refconv.ops.conv import conv2d
from refconv._config import get_num_threads, set_num_threads
x, w = np.ones((4, 90, 61, 3), np.float32), np.ones((3, 2, 3, 20), np.float32)  # work for more threads than a few
"""


@pytest.mark.skipif(not _core.available_threads(), reason="built without OpenMP")
@pytest.mark.parametrize(("asked", "n"), [("3", 3), ("1025", 1024), ("7,2", 7)])
def test_omp_num_threads_is_the_default_number_of_threads(asked, n):
    assert run_python(CONVOLUTION + "print(get_num_threads())", OMP_NUM_THREADS=asked) == str(n)


@needs_kernels
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no CPU affinity on this system")
def test_the_default_number_of_threads_is_at_most_that_of_the_processors_of_the_affinity():
    script = "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])\n"
    environment = {"OMP_NUM_THREADS": "", "OMP_THREAD_LIMIT": ""}
    assert run_python(script + CONVOLUTION + "print(get_num_threads())", **environment) == "1"


def test_threads_are_refused_in_a_forked_child_where_they_would_hang(monkeypatch):
    with threads(1):
        monkeypatch.setattr("refconv._config._forked", True)
        monkeypatch.setattr(_core, "threads_survive_fork", lambda: False)
        with pytest.raises(RuntimeError, match=r"n must be 1 in a forked child, got 2: .* 'spawn'"):
            set_num_threads(2)
        assert get_num_threads() == 1
        monkeypatch.undo()


@needs_kernels
def test_a_forked_child_of_a_build_without_openmp_may_set_any_number_of_threads(monkeypatch):
    from refconv._core.isa.baseline import cpu

    with threads(1):
        monkeypatch.setattr("refconv._config._forked", True)
        monkeypatch.setattr(cpu, "has_own_team", lambda: False)
        monkeypatch.setattr(cpu, "available_threads", lambda: 0)
        set_num_threads(2)
        assert get_num_threads() == 2
        monkeypatch.undo()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in Linux's /proc")
@pytest.mark.skipif(not _core.available_threads(), reason="built without OpenMP")
def test_kernels_run_on_as_many_threads_as_they_are_told():
    script = CONVOLUTION + (
        "count = lambda: len(os.listdir('/proc/self/task'))\n"
        "set_num_threads(1); conv2d(x, w); before = count()\n"
        "set_num_threads(5); conv2d(x, w); print(count() - before)\n"
    )
    assert run_python(script, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1") == "4"


@needs_kernels
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_computes_the_same_after_the_parent_used_threads():
    script = CONVOLUTION + (
        "set_num_threads(2); y = conv2d(x, w)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(60)\n"  # a child that waits for threads it does not have is killed
        "    os._exit(0 if get_num_threads() == 1 and np.array_equal(conv2d(x, w), y) else 1)\n"
        "_, status = os.waitpid(child, 0)\n"
        "assert status == 0, status\n"
        "assert get_num_threads() == 2 and np.array_equal(conv2d(x, w), y)\n"
        "print('parent and child agree')\n"
    )
    assert run_python(script) == "parent and child agree"


STEPS = """
import resource
import numpy as np
import refconv

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step():  # arrays of many sizes, which all end with it: 200 MB at once
    before, arrays = faults(), [np.ones(n << 20, np.uint8) for n in (80, 1, 33, 7, 63, 16)]
    return faults() - before

step()
apart = step()
kept = refconv.keep_freed_memory()
step()
print(apart, step() if kept else None)
"""


@pytest.mark.slow
@needs_kernels
def test_memory_that_is_kept_costs_no_page_faults():
    pytest.importorskip("resource")
    apart, kept = run_python(STEPS).split()
    if kept == "None":
        pytest.skip("not glibc")
    assert int(apart) > 90  # even with pages of two megabytes
    assert int(kept) < 30


@needs_kernels
def test_an_instruction_set_that_is_not_there_is_refused_by_name():
    script = "try:\n    import refconv._core\nexcept ImportError as error:\n    print(error)"
    message = run_python(script, REFCONV_ISA="v9")
    assert message.startswith("REFCONV_ISA must be one of")
    assert message.endswith("got 'v9'")


@pytest.fixture
def copied(tmp_path):
    """A copy of the package that a test may break."""
    shutil.copytree(ROOT / "refconv", tmp_path / "refconv", ignore=shutil.ignore_patterns("__pycache__", "*.pyx"))
    return tmp_path


def compiled(root):
    return [file for file in (root / "refconv" / "_core").glob("isa/*/*") if file.suffix in (".so", ".pyd")]


@needs_kernels
@pytest.mark.parametrize(("isa", "module"), [("baseline", "cpu"), (_core.ISA, "loss")])
def test_a_build_that_lacks_a_kernel_is_not_taken_for_one_without_kernels(copied, isa, module):
    (missing,) = (f for f in compiled(copied) if (f.parent.name, f.name.partition(".")[0]) == (isa, module))
    missing.unlink()
    script = "try:\n    import refconv\nexcept ImportError as error:\n    print(error)"
    message = run_python(script, copied, REFCONV_ISA=_core.ISA)
    name = f"refconv._core.isa.{isa}.{module}"
    assert message == f"the kernels are incomplete, {name} is missing: build or install refconv again"


INFO = "from refconv.cli import main; main(['info'])"


@needs_kernels
def test_info_tells_a_build_without_kernels_from_one_for_another_python(copied):
    for file in compiled(copied):
        file.rename(file.with_name(f"{file.name.partition('.')[0]}.cpython-27-x86_64-linux-gnu{file.suffix}"))
    assert "kernels  none for this Python, though for another: build or install" in run_python(INFO, copied)
    for file in compiled(copied):
        file.unlink()
    printed = run_python(INFO, copied)
    assert "kernels  none: built with REFCONV_PURE=1" in printed
    assert "engine   reference" in printed
