"""Tests of the thread team that runs parallel regions.

The threads are shared, sleep when idle, and work after a fork. A deadlock ends in a time-out.
"""

import concurrent.futures
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refconv
from evidence import assert_same_bits, needs_kernels, threads
from refconv import _core
from refconv.ops.conv import conv2d, conv2d_dw
from refconv.ops.max_pool import max_pool2d

pytestmark = needs_kernels
ROOT = Path(refconv.__file__).parents[1]

needs_own_team = pytest.mark.skipif(
    not (_core.available_threads() and _core.threads_survive_fork()), reason="this build uses OpenMP's threads"
)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc to inspect threads")

START = """
import os, signal, sys, time
import numpy as np
import refconv
from refconv import conv2d, get_config, set_config
x, w = np.ones((4, 90, 61, 3), np.float32), np.ones((3, 2, 3, 20), np.float32)  # enough work for several threads
"""


def run_script(folder, script, seconds=60, **environment):
    """Run a script and return its output.

    The script is a file, because multiprocessing's start method "spawn" imports it again.
    """
    path = folder / "script.py"
    path.write_text(START + script, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, path], capture_output=True, encoding="utf-8", env=environment, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_refconv_leaves_the_environment_unchanged(tmp_path):
    script = "print(set(os.environ.items()) ^ before)"
    path = tmp_path / "script.py"
    path.write_text(f"import os\nbefore = set(os.environ.items())\n{START}\nconv2d(x, w)\n{script}", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run([sys.executable, path], capture_output=True, encoding="utf-8", env=environment, timeout=60)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@needs_own_team
@needs_proc
def test_no_kernel_loads_gnus_openmp(tmp_path):
    script = (
        "from refconv import _core\n"
        "for isa in _core.instruction_sets():\n"
        "    for module in (*vars(_core.kernels), 'limits'):\n"
        "        _core.load(module, isa)\n"
        "print('libgomp' in open('/proc/self/maps').read())\n"
    )
    assert run_script(tmp_path, script) == "False"


@needs_own_team
@needs_proc
def test_idle_threads_sleep(tmp_path):
    script = (
        "set_config(threads=5); conv2d(x, w)\n"
        "def states():\n"
        "    folders = [f'/proc/self/task/{task}/stat' for task in os.listdir('/proc/self/task')]\n"
        "    return sorted(open(file).read().rpartition(')')[2].split()[0] for file in folders)\n"
        "end = time.monotonic() + 30\n"
        "while states().count('R') > 1 and time.monotonic() < end:\n"
        "    time.sleep(0.01)\n"
        "print(*states())\n"
    )
    assert run_script(tmp_path, script, OPENBLAS_NUM_THREADS="1") == "R S S S S"


def test_python_threads_that_call_kernels_at_the_same_time_get_the_same_bits():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((5, 41, 37, 3), np.float32)
    w = rng.standard_normal((3, 2, 3, 17), np.float32)

    def compute(n):
        with threads(n):
            y = conv2d(x, w, padding="same")
            return y, max_pool2d(y, (2, 3)), conv2d_dw(x, y, (3, 2), padding="same")

    expected = compute(1)
    for n in (2, 3, 8):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for results in pool.map(compute, [n] * 40):
                assert_same_bits(results, expected)


@needs_own_team
@needs_proc
def test_kernels_run_with_fewer_threads_if_the_system_allows_no_more(tmp_path):
    script = (
        "import resource\n"
        "set_config(threads=1); y = conv2d(x, w)\n"
        "if not os.getuid(): os.setuid(65534)\n"  # the limit does not apply to root
        "resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\n"
        "set_config(threads=4); print(np.array_equal(conv2d(x, w), y), len(os.listdir('/proc/self/task')))\n"
    )
    assert run_script(tmp_path, script, OPENBLAS_NUM_THREADS="1") == "True 1"


@needs_own_team
@needs_proc
def test_a_refused_thread_is_requested_again_only_after_a_while(tmp_path):
    script = (
        "import resource\n"
        "def count(): conv2d(x, w); return len(os.listdir('/proc/self/task'))\n"
        "if not os.getuid(): os.setuid(65534)\n"  # the limit does not apply to root
        "_, most = resource.getrlimit(resource.RLIMIT_NPROC)\n"
        "set_config(threads=4); start = time.monotonic()\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (1, most)); refused = count()\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (most, most)); soon = count()\n"
        "late = time.monotonic() > start + 0.9\n"  # on a slow machine, the waiting time may have passed already
        "while time.monotonic() < start + 30 and count() == 1: time.sleep(0.05)\n"
        "print(refused, late or soon == 1, count())\n"
    )
    assert run_script(tmp_path, script, OPENBLAS_NUM_THREADS="1") == "1 True 4"


@needs_own_team
def test_a_fault_in_a_worker_runs_the_handler_of_its_signal(tmp_path):
    path = str(tmp_path / "pixels")
    script = (
        "import faulthandler, resource\n"
        "faulthandler.enable(); resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        f"pixels = np.memmap({path!r}, np.float32, 'w+', shape=(64, 512, 512, 1))\n"
        f"os.truncate({path!r}, pixels.nbytes // 2)\n"  # removes the half that the second thread reads
        "set_config(threads=2); refconv.relu(pixels)\n"
    )
    with pytest.raises(AssertionError, match=r"^Fatal Python error: Bus error\n(.*\n)*.*script\.py"):
        run_script(tmp_path, script)


@needs_own_team
@needs_fork
def test_a_forked_child_can_use_threads(tmp_path):
    script = (
        "set_config(threads=2); y = conv2d(x, w)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(30)\n"  # ends a child that waits for threads that do not exist after fork
        "    set_config(threads=3)\n"
        "    os._exit(0 if np.array_equal(conv2d(x, w), y) else 1)\n"
        "print(os.waitpid(child, 0)[1], np.array_equal(conv2d(x, w), y))\n"
    )
    assert run_script(tmp_path, script) == "0 True"


@needs_fork
def test_a_child_forked_while_another_thread_runs_kernels_can_compute(tmp_path):
    script = (
        "import threading\n"
        "set_config(threads=2); y = conv2d(x, w); stopped = threading.Event()\n"
        "def compute():\n"
        "    while not stopped.is_set(): conv2d(x, w)\n"
        "worker = threading.Thread(target=compute); worker.start()\n"
        "statuses = set()\n"
        "for _ in range(20):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        signal.alarm(30)\n"
        "        os._exit(0 if get_config().threads == 1 and np.array_equal(conv2d(x, w), y) else 1)\n"
        "    statuses.add(os.waitpid(child, 0)[1])\n"
        "stopped.set(); worker.join(); print(statuses)\n"
    )
    assert run_script(tmp_path, script) == "{0}"


@pytest.mark.slow
@needs_fork
def test_a_child_forked_while_another_thread_calls_small_operators_can_compute(tmp_path):
    """Test small arrays: most time is spent in Python, where another thread may hold a lock."""
    script = (
        "import threading\n"
        "small = x[:1, :5, :4]; y = conv2d(small, w); stopped = threading.Event(); sys.setswitchinterval(1e-6)\n"
        "def compute():\n"
        "    while not stopped.is_set(): conv2d(small, w)\n"
        "worker = threading.Thread(target=compute); worker.start()\n"
        "statuses, end = set(), time.monotonic() + 3\n"
        "while statuses <= {0} and time.monotonic() < end:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        signal.alarm(10)\n"
        "        os._exit(0 if np.array_equal(conv2d(small, w), y) else 1)\n"
        "    statuses.add(os.waitpid(child, 0)[1])\n"
        "stopped.set(); worker.join(); print(statuses)\n"
    )
    assert run_script(tmp_path, script) == "{0}"


@pytest.mark.slow
@pytest.mark.parametrize("method", [pytest.param("fork", marks=needs_own_team), "spawn", "forkserver"])
def test_processes_of_each_start_method_can_use_threads(tmp_path, method):
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not support the start method")
    script = (
        "import multiprocessing\n"
        "def compute(threads):\n"
        "    set_config(threads=threads)\n"
        "    return conv2d(x, w)\n"
        "if __name__ == '__main__':\n"
        "    expected = compute(2)\n"
        f"    with multiprocessing.get_context('{method}').Pool(2) as pool:\n"
        "        results = pool.map_async(compute, [1, 2, 3, 4]).get(40)\n"
        "    print([np.array_equal(y, expected) for y in results])\n"
    )
    assert run_script(tmp_path, script) == "[True, True, True, True]"


LOADER = """
import multiprocessing, queue

def worker(indices, batches):  # like a DataLoader's worker: it stays alive and processes one list of indices at a time
    signal.alarm(40)
    for batch_indices in iter(indices.get, None):
        batches.put((batch_indices, get_config().threads, refconv.max_pool2d(images[batch_indices], (2, 3))))

if __name__ == '__main__':
    images = np.random.default_rng(3).standard_normal((12, 90, 61, 3), np.float32)
    with refconv.config(threads=2):  # the workers are forked while kernels have threads
        conv2d(x, w)
        context = multiprocessing.get_context('fork')
        indices, batches = context.Queue(), context.Queue()
        workers = [context.Process(target=worker, args=(indices, batches)) for _ in range(3)]
        for process in workers: process.start()
        for first in range(0, 12, 4): indices.put(list(range(first, first + 4)))
        results = []
        for _ in range(3):
            conv2d(x, w)  # the parent trains at the same time
            results.append(batches.get(timeout=40))
        for _ in workers: indices.put(None)
        for process in workers: process.join(40)
        print(sorted({n for _, n, _ in results}), [process.exitcode for process in workers])
        print([np.array_equal(y, refconv.max_pool2d(images[batch_indices], (2, 3))) for batch_indices, _, y in results])
"""


@needs_fork
def test_forked_data_loading_workers_compute_while_their_parent_trains(tmp_path):
    assert run_script(tmp_path, LOADER) == "[1] [0, 0, 0]\n[True, True, True]"


@needs_own_team
@needs_fork
def test_workers_of_pytorchs_data_loader_can_call_operators(tmp_path):
    pytest.importorskip("torch")
    script = (
        "from torch.utils.data import DataLoader, Dataset\n"
        "class Pooled(Dataset):\n"
        "    def __len__(self): return 7\n"
        "    def __getitem__(self, k):\n"
        "        signal.alarm(40)\n"
        "        with refconv.config(threads=2): return conv2d(x + np.float32(k), w)\n"
        "if __name__ == '__main__':\n"
        "    set_config(threads=2); expected = [conv2d(x + np.float32(k), w) for k in range(7)]\n"
        "    loader = DataLoader(Pooled(), batch_size=None, num_workers=2, multiprocessing_context='fork')\n"
        "    print([np.array_equal(a.numpy(), b) for a, b in zip(loader, expected)])\n"
    )
    assert run_script(tmp_path, script) == str([True] * 7)


@pytest.mark.slow
@pytest.mark.parametrize("method", [pytest.param("fork", marks=[needs_fork, needs_own_team]), "spawn"])
def test_a_process_pool_can_set_its_threads_in_an_initializer(tmp_path, method):
    """Test a pool like joblib's: an initializer sets up each worker, and calls are pickled."""
    script = (
        "import functools\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "def compute(x): return get_config().threads, conv2d(x, w)\n"
        "if __name__ == '__main__':\n"
        "    start = functools.partial(refconv.set_config, threads=2)\n"
        f"    with refconv.config(threads=5), ProcessPoolExecutor(2, get_context('{method}'), start) as pool:\n"
        "        results = list(pool.map(compute, [x, 2 * x, 3 * x], timeout=40))\n"
        "    print([(n, np.array_equal(y, conv2d(k * x, w))) for k, (n, y) in enumerate(results, 1)])\n"
    )
    assert run_script(tmp_path, script) == str([(2, True)] * 3)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
def test_ctrl_c_interrupts_a_program_whose_kernels_use_threads(tmp_path):
    script = (
        "import threading\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell ignores SIGINT in background jobs
        "set_config(threads=3); conv2d(x, w)\n"
        "threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    while True: conv2d(x, w)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    assert run_script(tmp_path, script) == "interrupted"


# Calls that take minutes in one thread, at least one for each way to divide the work of a kernel.
LONG_CALLS = [
    "conv2d(ones(1, 300, 300, 96), ones(81, 81, 96, 96))",
    "refconv.conv2d_dx(ones(1, 220, 220, 96), ones(81, 81, 96, 96), input_size=300)",
    "refconv.conv2d_dw(ones(1, 300, 300, 96), ones(1, 220, 220, 96), kernel_size=81)",
    "refconv.depthwise_conv2d(ones(1, 600, 600, 64), ones(201, 201, 64, 1))",
    "refconv.convolve2d(ones(1600, 1600), ones(600, 600), mode='valid')",
]


@pytest.mark.slow
@needs_own_team
@pytest.mark.parametrize("call", LONG_CALLS, ids=lambda call: call.partition("(")[0].removeprefix("refconv."))
def test_an_error_in_a_signal_handler_ends_a_running_kernel(tmp_path, call):
    script = (
        "class Stop(Exception): pass\n"
        "def stop(*_): raise Stop\n"
        "def ones(*shape): return np.ones(shape)\n"
        "set_config(threads=1); y = conv2d(x, w)\n"
        "signal.signal(signal.SIGALRM, stop)\n"
        "signal.setitimer(signal.ITIMER_REAL, 1)\n"
        "try:\n"
        f"    {call}\n"
        "except Stop:\n"
        "    print('stopped', np.array_equal(conv2d(x, w), y))\n"
    )
    assert run_script(tmp_path, script) == "stopped True"


@pytest.mark.slow
@needs_own_team
def test_a_kernel_goes_on_after_a_signal_handler_that_returns_and_itself_calls_a_kernel(tmp_path):
    script = (
        "seen = []\n"
        "def note(*_): seen.append(np.array_equal(conv2d(x, w), y))\n"
        "set_config(threads=2); y = conv2d(x, w)\n"
        "signal.signal(signal.SIGALRM, note)\n"
        "large = np.ones((1, 150, 150, 64)), np.ones((41, 41, 64, 64))\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)\n"
        "first = conv2d(*large)\n"
        "during = len(seen)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "print(during > 1, all(seen), np.array_equal(conv2d(*large), first))\n"
    )
    assert run_script(tmp_path, script) == "True True True"


@needs_own_team
def test_only_the_main_thread_is_stopped_by_an_error_in_a_signal_handler(tmp_path):
    script = (
        "import threading\n"
        "def stop(*_): raise InterruptedError\n"
        "set_config(threads=1); y = conv2d(x, w)\n"
        "results = []\n"
        "def compute():\n"
        "    for _ in range(200): results.append(np.array_equal(conv2d(x, w), y))\n"
        "signal.signal(signal.SIGALRM, stop)\n"
        "thread = threading.Thread(target=compute); thread.start()\n"
        "stops = 0\n"
        "while len(results) < 200:\n"  # not is_alive(), which an error in a handler can break
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0.001)\n"
        "        while len(results) < 200: conv2d(x, w)\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "    except InterruptedError:\n"
        "        stops += 1\n"
        "print(stops > 0, results == [True] * 200)\n"
    )
    assert run_script(tmp_path, script) == "True True"
