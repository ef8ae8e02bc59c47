"""Second process that runs the last tests of a run while this process runs the first ones.

One Python process keeps only one processor busy, so a second process shortens the test run. Both collect the same tests. The
first process runs them in their order, the second one in reverse order, until they meet. The first process then reports the
results of the second one.
"""

import os
import pickle
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from functools import cached_property
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path

import pytest

__all__ = ["MIN_TESTS", "SecondProcess", "is_useful"]

MIN_TESTS = 500  # fewer tests finish before a second process has imported and collected everything
IS_SECOND = pytest.StashKey[bool]()


def is_useful(config, items):
    """Return True if a second process can help with these tests.

    pytest-cov measures one process, only one process can use the terminal of the debugger, and only the first process prints.
    Both processes receive the same options, so with --basetemp each would empty the folder of the other, and with --log-file
    each would overwrite the file of the other.
    """
    option = config.option
    one_only = option.collectonly or option.usepdb or option.capture == "no" or config.pluginmanager.hasplugin("_cov")
    shares_files = option.basetemp or option.log_file or config.getini("log_file")
    return not (one_only or shares_files or IS_SECOND in config.stash) and len(items) >= MIN_TESTS


def claim(folder, number):
    """Return True if this process is the first to claim a number."""
    try:
        Path(folder, str(number)).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Recorder:
    """Plugin of the second process, which runs the tests it can claim and keeps their results.

    It begins with the last test. The results are serialised reports, and the text, class, file and line of warnings.
    """

    def __init__(self, folder, numbers):
        self.folder, self.numbers = folder, numbers
        self.reports = {}
        self.warnings = {}
        self.has_met = False  # all tests that are left belong to the first process, or it was killed

    def pytest_configure(self, config):
        self.config = config
        config.stash[IS_SECOND] = True

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        shared = (item for item in items if item.nodeid in self.numbers)
        items[:] = sorted(shared, key=lambda item: self.numbers[item.nodeid], reverse=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        self.has_met = self.has_met or not parent_process().is_alive() or not claim(self.folder, self.numbers[item.nodeid])
        return self.has_met or None  # after True, pytest does not run the test

    def pytest_runtest_logreport(self, report):
        sent = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.reports.setdefault(report.nodeid, []).append(sent)

    def pytest_warning_recorded(self, warning_message, nodeid):
        message = warning_message
        kept = str(message.message), message.category.__name__, message.filename, message.lineno
        self.warnings.setdefault(nodeid, []).append(kept)


def write_results(path, arguments, folder, numbers):
    """Run pytest with these arguments; write the reports and the warnings by node id to a file.

    A returned value would be read by a thread of the first process while a test runs. Its megabytes would be counted by tests
    that measure memory.
    """
    recorder = Recorder(folder, numbers)
    with open(os.devnull, "w", encoding="utf-8") as discarded, redirect_stdout(discarded), redirect_stderr(discarded):
        pytest.main([*arguments, "-p", "no:cacheprovider"], plugins=[recorder])
    with open(path, "wb") as file:
        pickle.dump((recorder.reports, recorder.warnings), file)


class SecondProcess:
    """The second process, and its reports once it has finished.

    The process is spawned: a forked child would inherit the kernels' threads. Its warnings are errors, as in pytest.
    """

    def __init__(self, config, items):
        self._config = config
        self._numbers = {item.nodeid: number for number, item in enumerate(items)}
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # a stopped process may still write
        config.add_cleanup(folder.cleanup)
        self._path = Path(folder.name, "results")
        self._claims = Path(folder.name, "claims")
        self._claims.mkdir()
        self._executor = ProcessPoolExecutor(1, get_context("spawn"), warnings.simplefilter, ("error",))
        arguments = config.invocation_params.args
        self._future = self._executor.submit(write_results, self._path, arguments, self._claims, self._numbers)

    def stop(self):
        """End the process, which may be running tests if this run ends early."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            process.terminate()

    def reports(self, item):
        """Return the reports of a test of the second process; wait until that process has finished.

        The list is empty if this process must run the test: it is the first to claim it, or the other did not finish it.
        """
        if claim(self._claims, self._numbers[item.nodeid]):
            return []
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
