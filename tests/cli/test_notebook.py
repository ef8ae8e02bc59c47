"""Tests of ``refconv train`` and ``training.fit`` in a notebook."""

import gc
import os
import signal
import warnings
from pathlib import Path

import pytest

import refconv
from evidence import needs_kernels

for package in ("ipykernel", "matplotlib", "tqdm"):
    pytest.importorskip(package)
manager = pytest.importorskip("jupyter_client.manager")
ensure_event_loop = pytest.importorskip("jupyter_core.utils").ensure_event_loop

pytestmark = [pytest.mark.slow, needs_kernels]

TRAIN = 'main(["train", "lenet", "--images", "500", "--test-images", "40", "--threads", "1", {}])'
STATE = "print(matplotlib.rcParams._get_backend_or_none(), signal.getsignal(signal.SIGINT))"
FIT = """
from refconv import data, models, optim, training
model = models.lenet()
model.build((32, 32, 1), rng=0)
batches = data.Batches(*data.draw_digits(600), 50, rng=0, prepare=data.lenet_input)
history = training.fit(model, batches, optim.SGD(model, lr=0.01), epochs={}, callbacks=[training.ProgressBar()])
"""


class Notebook:
    """Running kernel; ``run`` executes a cell and returns its outputs and the name of its error."""

    def __init__(self, folder):
        environment = {**os.environ, "PYTHONPATH": str(Path(refconv.__file__).parents[1])}
        self.kernel, self.client = manager.start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment)
        self.pid = int(self.run("import os\nprint(os.getpid())")["stdout"])
        self.run("import signal\nimport matplotlib\nfrom refconv.cli import main")

    def close(self):
        """End the kernel and delete the event loops of Jupyter, which would cause warnings."""
        self.client.stop_channels()
        self.kernel.shutdown_kernel(now=True)
        ensure_event_loop().close()
        del self.client, self.kernel
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # Jupyter closes neither its loops nor their sockets
            gc.collect()

    def run(self, source, interrupt_at=None):
        """Run a cell; interrupt it once when this text is printed."""
        texts = {"stdout": "", "stderr": "", "error": "", "result": ""}
        interrupted = []

        def add(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                texts[content["name"]] += content["text"]
            elif message["msg_type"] == "error":
                texts["error"] = content["ename"]
            elif message["msg_type"] == "display_data":  # a widget
                texts["stderr"] += content["data"]["text/plain"]
            elif message["msg_type"] == "execute_result":
                texts["result"] = content["data"]["text/plain"]
            if interrupt_at and interrupt_at in texts["stdout"] and not interrupted:
                interrupted.append(True)
                # `interrupt_kernel` cannot run here, in the event loop, and in a thread it would leave a loop open.
                os.kill(self.pid, signal.SIGINT)

        self.client.execute_interactive(source, output_hook=add, timeout=200)
        return texts


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    opened = Notebook(folder)
    yield opened, folder
    opened.close()


def test_train_runs_twice_in_one_kernel_and_leaves_its_state_unchanged(notebook):
    opened, folder = notebook
    before = opened.run(STATE)["stdout"]
    for out in ("first", "second"):
        cell = opened.run(TRAIN.format(f'"--epochs", "1", "--out", "{out}"'))
        assert (cell["error"], cell["result"]) == ("", "0")
        assert "epoch 1/1:   0%|" in cell["stderr"]
        assert "\nepoch 1: loss " in cell["stdout"]
    models = [(folder / out / "model.safetensors").read_bytes() for out in ("first", "second")]
    assert models[0] == models[1]
    assert opened.run(STATE)["stdout"] == before


def test_an_interrupted_training_saves_the_network(notebook):
    opened, folder = notebook
    before = opened.run(STATE)["stdout"]
    cell = opened.run(TRAIN.format('"--epochs", "5000", "--out", "stopped"'), interrupt_at="epoch 2: ")
    assert (cell["error"], cell["result"]) == ("", "0")
    assert "\nstopped; the network is saved as it is; continue with --resume stopped\n" in cell["stdout"]
    files = {"history.csv", "last.safetensors", "previous.safetensors", "model.safetensors", "training.png"}
    assert {path.name for path in (folder / "stopped").iterdir()} == files
    assert opened.run(STATE)["stdout"] == before


def test_fit_shows_its_progress_and_can_be_interrupted_and_repeated(notebook):
    opened, _ = notebook
    assert opened.run(FIT.format(50_000), interrupt_at="epoch 2: ")["error"] == "KeyboardInterrupt"
    cell = opened.run(FIT.format(2))
    assert cell["error"] == ""
    assert "epoch 2/2:   0%|" in cell["stderr"]
    assert [line[:13] for line in cell["stdout"].splitlines()] == ["epoch 1: loss", "epoch 2: loss"]
