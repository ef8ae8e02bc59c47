"""Second process that runs the tests of some folders while this process runs the others.

One Python process keeps only one processor busy, so a second process shortens the test run. It takes part if pytest runs all
folders: its first task is the folders in ``FOLDERS``, then it gathers evidence (gathering.py).
"""

import os
import pickle
import tempfile
import warnings
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import cached_property
from multiprocessing import active_children, get_context
from pathlib import Path

import pytest

__all__ = [
    "FOLDERS",
    "MIN_TESTS",
    "Delegated",
    "can_delegate",
    "executor_of",
    "is_delegated",
    "is_possible",
    "spawned",
    "stop",
]

EXECUTOR = pytest.StashKey[Executor]()
FOLDERS = ("tests/models/", "tests/nn/", "tests/reference/", "tests/verify/student/", "tests/verify/tracing/")
MIN_TESTS = 100  # fewer tests finish before a second process has imported everything


def spawned():
    """Return an executor with one process.

    The process is spawned: a forked child would inherit the kernels' threads. Its warnings are errors, as in pytest.
    """
    return ProcessPoolExecutor(1, get_context("spawn"), warnings.simplefilter, ("error",))


def executor_of(config):
    """Return the executor of this run."""
    if EXECUTOR not in config.stash:
        config.stash[EXECUTOR] = spawned()
    return config.stash[EXECUTOR]


def stop(config):
    """End the second process, which may be running tests if this run ends early."""
    if executor := config.stash.get(EXECUTOR, None):
        executor.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.terminate()


def is_possible(config):
    """Return True if a second process may take part.

    pytest-cov measures one process, only one process can use the terminal of the debugger, and only the first process prints.
    """
    option = config.option
    return not (option.collectonly or option.usepdb or option.capture == "no" or config.pluginmanager.hasplugin("_cov"))


def is_delegated(item):
    """Return True if the test is in one of the second process's folders."""
    return item.nodeid.startswith(FOLDERS)


def can_delegate(config, items):
    """Return True if pytest runs all folders and another process can help.

    Both processes receive the same options, so with --basetemp each would empty the folder of the other, and with --log-file
    each would overwrite the file of the other.
    """
    runs_all_folders = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    shares_files = config.option.basetemp or config.option.log_file or config.getini("log_file")
    return runs_all_folders and not shares_files and is_possible(config) and sum(map(is_delegated, items)) >= MIN_TESTS


class Recorder:
    """Plugin that runs only the tests with these node ids and keeps their results.

    The results are serialised reports, and the text, class, file and line of warnings.
    """

    def __init__(self, names):
        self.reports = {name: [] for name in names}
        self.warnings = {name: [] for name in names}

    def pytest_configure(self, config):
        self.config = config

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if item.nodeid in self.reports]

    def pytest_runtest_logreport(self, report):
        sent = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.reports[report.nodeid].append(sent)

    def pytest_warning_recorded(self, warning_message, nodeid):
        if nodeid in self.warnings:
            message = warning_message
            self.warnings[nodeid].append((str(message.message), message.category.__name__, message.filename, message.lineno))


def write_results(path, arguments, names):
    """Run pytest with these arguments; write the reports and the warnings by node id to a file.

    A returned value would be read by a thread of the first process while a test runs. Its megabytes would be counted by tests
    that measure memory.
    """
    recorder = Recorder(names)
    with open(os.devnull, "w", encoding="utf-8") as discarded, redirect_stdout(discarded), redirect_stderr(discarded):
        pytest.main([*arguments, "-p", "no:cacheprovider"], plugins=[recorder])
    with open(path, "wb") as file:
        pickle.dump((recorder.reports, recorder.warnings), file)


class Delegated:
    """Tests that the second process runs, and their reports once it has finished."""

    def __init__(self, config, items):
        self._config = config
        names = [item.nodeid for item in items if is_delegated(item)]
        files = dict.fromkeys(str(item.path) for item in items if is_delegated(item))
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # a stopped process may still write
        config.add_cleanup(folder.cleanup)
        self._path = Path(folder.name, "results")
        arguments = [*config.invocation_params.args, *files]
        self._future = executor_of(config).submit(write_results, self._path, arguments, names)

    def reports(self, item):
        """Wait for the second process; return the reports of a test.

        The list is empty if that process did not finish the test.
        """
        reports = [
            item.ihook.pytest_report_from_serializable(config=self._config, data=data)
            for data in self._results[0].get(item.nodeid, ())
        ]
        return reports if reports and reports[-1].when == "teardown" else []

    def warnings(self, item):
        """Return the warnings of a test, as pytest records them.

        Only the name of a warning's class is needed for the summary. The class itself may be defined in a test.
        """
        return [
            warnings.WarningMessage(text, type(category, (Warning,), {}), *place)
            for text, category, *place in self._results[1].get(item.nodeid, ())
        ]

    @cached_property
    def _results(self):
        """Wait for the second process; return its reports and warnings.

        There are none if the process ended early, if the end of its run failed, for example because of an open file, or if a
        report cannot be sent. The tests then run in this process, which reports the cause.
        """
        try:
            self._future.result()
            return pickle.loads(self._path.read_bytes())
        except Exception:
            return {}, {}
