"""Fixtures for several test folders, and hooks that let a second process run some of them.

The two test lanes and the profiles of Hypothesis are in ../conftest.py.
"""

import contextlib
import http.server
import threading

import pytest

from second_process import SecondProcess, is_useful

SECOND = pytest.StashKey[SecondProcess]()


def pytest_collection_finish(session):
    """Start the second process."""
    if is_useful(session.config, session.items):
        session.config.stash[SECOND] = SecondProcess(session.config, session.items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Report the results of the second process instead of running its tests again."""
    second = item.config.stash.get(SECOND, None)
    reports = second.reports(item) if second else []
    if not reports:
        return None  # the test runs here
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    for message in second.warnings(item):
        recorded = {"warning_message": message, "when": "runtest", "nodeid": item.nodeid, "location": None}
        item.config.hook.pytest_warning_recorded.call_historic(kwargs=recorded)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    item.session._setupstate.teardown_exact(nextitem)  # of the test before, which expected this test to follow
    return True


def pytest_sessionfinish(session):
    """End the second process."""
    if second := session.config.stash.get(SECOND, None):
        second.stop()


@pytest.fixture(scope="session", autouse=True)
def public_names():
    """Import every public name before the first test.

    A name that is first imported while a test replaces a function would keep the replacement.
    """
    import refconv

    for name in refconv.__all__:
        getattr(refconv, name)


@pytest.fixture(scope="module", params=["reference", "numpy", "kernels"])
def each_engine(request):
    """Run each test of the module on the loops, then in NumPy, then on the kernels."""
    from refconv import _core
    from refconv._config import config

    if request.param == "kernels" and _core.ISA is None:
        pytest.skip("refconv was built without kernels (REFCONV_PURE=1)")
    with config(engine=request.param):
        yield request.param


@pytest.fixture
def no_user_folders(tmp_path, monkeypatch):
    """Hide the user's data folders and proxies from the tests."""
    from refconv.data import files

    monkeypatch.delenv(files.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")


@pytest.fixture
def web_server():
    """Run a local web server with ``url``, ``content``, ``requests`` and ``stopped``.

    ``requests`` has the requested paths. ``content`` has the bytes that are served, by the path in the URL or by its first
    folder; any other path is answered by 404. A function is called with the stream of the answer, in place of any answer; it
    returns when the event ``stopped`` is set. The connection to the folder ``hang-up`` is closed before the announced length.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.requests.append(self.path)
            folder = self.path.split("/")[1]
            content = self.server.content.get(self.path[1:], self.server.content.get(folder))
            if callable(content):
                with contextlib.suppress(OSError):  # the reader may close the connection
                    content(self.wfile)
            elif content is not None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content) + 1000 * (folder == "hang-up")))
                self.end_headers()
                self.wfile.write(content)
            else:
                self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        served.requests, served.content, served.stopped = [], {}, threading.Event()
        served.url = f"http://127.0.0.1:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.stopped.set()
        served.shutdown()
        thread.join()
