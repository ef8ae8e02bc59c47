"""Tests of ``refconv train`` in a separate process, including the files it writes."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from command_line import SMALL, lines_of, refconv
from evidence import needs_kernels
from refconv import _core, data, load, models, nn
from refconv.cli import train, training_run
from refconv.cli.parser import Parser
from refconv.training import evaluate

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pillow = pytest.importorskip("PIL.Image")


@pytest.mark.slow
def test_train_prints_a_line_for_each_epoch_and_saves_all_files(trained):
    folder, printed = trained
    lines = re.findall(r"^epoch (\d): loss [\d.]+, accuracy ([\d.]+) % .* test: .* accuracy ([\d.]+) %", printed, re.M)
    assert [line[0] for line in lines] == ["1", "2"]
    assert "61,706 parameters, 400 training and 5,000 test images" in printed
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["history.csv", "model.safetensors", "training.png"]
    history = lines_of(folder / "out" / "history.csv")
    assert [f"{100 * float(line['test_accuracy']):.2f}" for line in history] == [line[2] for line in lines]
    with pillow.open(folder / "out" / "training.png") as picture:
        assert picture.size == (1200, 864)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50


@pytest.mark.slow
def test_the_saved_model_has_the_accuracy_that_was_printed(trained):
    folder, printed = trained
    model = load(folder / "out" / "model.safetensors")
    _, test_seed = np.random.SeedSequence(0).generate_state(2).tolist()
    images, labels = data.draw_digits(5000, test_seed)
    accuracy = (model(data.lenet_input(images)).argmax(-1) == labels).mean()
    assert model.notes["test_accuracy"] == pytest.approx(accuracy)
    assert f"accuracy {100 * accuracy:.2f} %  |" in printed
    assert accuracy > 0.3


@pytest.mark.slow
def test_train_does_not_overwrite_a_model(trained):
    folder, _ = trained
    before = (folder / "out" / "model.safetensors").read_bytes()
    message = refconv(*SMALL, "--out", "out", cwd=folder, status=1)
    assert "out already contains model.safetensors; choose another folder" in message
    assert (folder / "out" / "model.safetensors").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("history.csv", ""),
        ("training.png", ""),
        ("best.safetensors", ""),
        ("last.safetensors", ", or continue that run with --resume out"),
    ],
)
def test_train_does_not_overwrite_any_file_of_a_run(tmp_path, name, advice):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_bytes(b"of an earlier run")
    options = ("--images", "64", "--test-images", "50", "--epochs", "1", "--out", "out")
    message = refconv("train", "lenet", *options, cwd=tmp_path, status=1)
    assert message == f"refconv: --out out already contains {name}; choose another folder{advice}\n"
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "out").iterdir()] == [(name, b"of an earlier run")]


@pytest.mark.slow
def test_without_out_each_run_has_its_own_folder(tmp_path):
    for _ in range(2):
        refconv("train", "lenet", "--images", "64", "--epochs", "1", cwd=tmp_path)
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["lenet-digits", "lenet-digits-2"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model_on_any_number_of_threads(trained):
    folder, _ = trained
    refconv(*SMALL, "--out", "again", "--threads", "3", cwd=folder)
    refconv(*SMALL, "--out", "other", "--seed", "1", cwd=folder)
    first, again, other = ((folder / out / "model.safetensors").read_bytes() for out in ("out", "again", "other"))
    tensors = [content[8 + int.from_bytes(content[:8], "little") :] for content in (first, again, other)]
    assert tensors[0] == tensors[1]
    assert tensors[0] != tensors[2]


@pytest.mark.slow
def test_train_works_on_the_loops(tmp_path):
    printed = refconv(
        *("train", "lenet", "--engine", "reference", "--images", "2", "--test-images", "1", "--epochs", "1"),
        *("--out", "out"),
        cwd=tmp_path,
    )
    assert "reference on" in printed
    assert (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.slow
@needs_kernels
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_a_step_and_saves_the_results(tmp_path, number):
    command = [sys.executable, "-m", "refconv", "train", "lenet", "--images", "2000", "--epochs", "500", "--out", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    try:
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith("epoch 1:") for line in lines)
        process.send_signal(number)
        printed = process.stdout.read()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.stdout.close()
    assert "stopped; the network is saved as it is" in printed
    assert (tmp_path / "out" / "training.png").exists()
    history = lines_of(tmp_path / "out" / "history.csv")
    assert 1 <= len(history) < 500
    load(tmp_path / "out" / "model.safetensors")


@pytest.mark.slow
@needs_kernels
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="Windows has no such terminals")
@pytest.mark.parametrize("nohup", [False, True])
def test_a_run_whose_terminal_is_closed_is_saved_and_with_nohup_goes_on(tmp_path, nohup):
    import fcntl
    import termios

    terminal, its_end = os.openpty()
    command = [*(["nohup"] if nohup else []), sys.executable, "-m", "refconv", *SMALL[:2], "--images", "500", "--out", "out"]
    process = subprocess.Popen(
        [*command, "--epochs", "4" if nohup else "5000", "--test-images", "50"],
        cwd=tmp_path,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(its_end)
    try:
        if nohup:
            while not (tmp_path / "out" / "last.safetensors").exists():
                time.sleep(0.05)
        else:
            shown = b""
            while b"epoch 1:" not in shown:
                shown += os.read(terminal, 4096)
        os.close(terminal)
        assert process.wait(timeout=180) == 0  # matplotlib may list all fonts first
    finally:
        process.kill()
    history = lines_of(tmp_path / "out" / "history.csv")
    assert (len(history) == 4) if nohup else (1 <= len(history) < 5000)
    load(tmp_path / "out" / "model.safetensors")


@pytest.mark.slow
@needs_kernels
def test_train_and_evaluate_run_in_a_thread_which_cannot_handle_signals(tmp_path):
    arguments = [*SMALL, "--test-images", "50", "--threads", "1", "--out", "out"]
    script = (
        "import threading\n"
        "from refconv.cli import main\n"
        "statuses = []\n"
        f"commands = [{arguments}, ['evaluate', 'out', '--images', '30']]\n"
        "worker = threading.Thread(target=lambda: statuses.extend(map(main, commands)))\n"
        "worker.start(); worker.join(); print(statuses)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300)
    assert run.stdout.endswith("\n[0, 0]\n"), run.stderr
    assert "\n30 images, loss " in run.stdout
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_signal_handlers_that_python_cannot_restore_are_kept(monkeypatch):
    from refconv.cli.stop import stop_signals

    handler_of = signal.getsignal
    before = handler_of(signal.SIGTERM)
    monkeypatch.setattr(signal, "getsignal", lambda number: None)  # the result for handlers of a program that embeds Python
    with stop_signals() as stop:
        assert handler_of(signal.SIGTERM) is before
    assert not stop()


@pytest.mark.slow
@needs_kernels
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
def test_a_stopped_run_resumes_to_the_same_model(tmp_path):
    options = (
        *SMALL[:2],
        "--images",
        "800",
        "--test-images",
        "50",
        "--epochs",
        "4",
        "--augment",
        "shift",
        "--batch-size",
        "4",
    )
    refconv(*options, "--out", "uninterrupted", cwd=tmp_path)
    command = [sys.executable, "-m", "refconv", *options, "--out", "out", "--checkpoint-every", "70"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8")
    try:
        assert any(line.startswith("epoch 1:") for line in iter(process.stdout.readline, ""))
        process.send_signal(signal.SIGTERM)
        assert "continue with --resume out" in process.stdout.read()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.stdout.close()
    printed = refconv("train", "lenet", "--resume", "out", cwd=tmp_path)
    assert "epoch 4:" in printed
    assert "epoch 1:" not in printed
    first, again = (load(tmp_path / out / "model.safetensors") for out in ("uninterrupted", "out"))
    for name, p in first.named_parameters().items():
        assert (again.named_parameters()[name].value == p.value).all(), name
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["history.csv", "model.safetensors", "training.png"]
    message = refconv("train", "lenet", "--resume", "out", cwd=tmp_path, status=1)
    assert "--resume out must contain last.safetensors, got none: that run is complete, or it never started" in message


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ([], {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}),
        (["--lr", "0.2", "--momentum", "0"], {"lr": 0.2, "momentum": 0.0}),
        (["--optimizer", "rmsprop"], {"lr": 0.001, "momentum": 0.0, "eps": 1e-7}),
        (["--optimizer", "rmsprop", "--momentum", "0.5"], {"lr": 0.001, "momentum": 0.5}),
        (["--optimizer", "adam"], {"lr": 0.001, "weight_decay": 5e-4}),
        (["--optimizer", "adamw", "--lr", "0.01", "--weight-decay", "0.1"], {"lr": 0.01, "weight_decay": 0.1}),
    ],
)
def test_each_optimizer_has_its_own_learning_rate_and_momentum(given, settings):
    parser = Parser("refconv train", "Train.")
    train.add_arguments(parser)
    model = nn.Dense(2)
    model.build((3,), rng=0)
    optimizer = training_run.make_optimizer(model, parser.parse_args(["lenet", *given]))
    actual = optimizer.settings()
    assert {name: actual[name] for name in settings} == settings
    assert type(optimizer).__name__.lower() == (given[1] if "--optimizer" in given else "sgd")


def test_the_learning_rate_rises_in_the_first_epochs():
    options = train.COMMAND.parser().parse_args(["lenet", "--epochs", "8", "--warmup-epochs", "2", "--schedule", "step"])
    schedule = training_run.make_schedule(options)
    # A quarter of the run rises; the step schedule falls to a tenth after each quarter of the rest.
    assert [round(schedule(epoch / 8), 6) for epoch in (0, 1, 2, 3, 4, 6)] == [0, 0.5, 1, 1, 0.1, 0.01]
    plain = train.COMMAND.parser().parse_args(["lenet", "--epochs", "8"])
    assert training_run.make_schedule(plain)(0) == 1


@pytest.mark.parametrize(
    ("name", "given", "lr"),
    [
        ("lenet", [], 0.05),
        ("vgg-a-small", [], 0.01),
        ("resnet20-small", [], 0.05),
        ("unet-same-small", [], 0.01),
        ("vgg-a-small", ["--lr", "0.2"], 0.2),
        ("vgg-a-small", ["--optimizer", "adam"], 0.001),
    ],
)
def test_networks_without_batch_normalisation_have_a_smaller_learning_rate(name, given, lr):
    parser = Parser("refconv train", "Train.")
    train.add_arguments(parser)
    model = models.create(name)
    model.build(models.input_shape(name), rng=0)
    options = parser.parse_args([name, *given])
    assert training_run.make_optimizer(model, options).lr == lr
    nn.freeze_to(model, next(iter(model.layers)))
    assert training_run.make_optimizer(model, options).lr == lr


@pytest.mark.slow
def test_train_has_options_for_the_methods_of_the_lectures(tmp_path):
    printed = refconv(
        *(*SMALL, "--validation", "0.25", "--patience", "3", "--augment", "distort", "--optimizer", "rmsprop", "--lr", "0.01"),
        *("--schedule", "plateau", "--label-smoothing", "0.1", "--clip-norm", "2", "--test-images", "50", "--out", "out"),
        cwd=tmp_path,
    )
    assert "300 training and 50 test images" in printed
    assert printed.count("validation: loss") == 2
    assert all(line["validation_loss"] for line in lines_of(tmp_path / "out" / "history.csv"))


@pytest.mark.slow
def test_a_run_that_stops_early_saves_its_best_epoch(tmp_path):
    options = ("--validation", "0.25", "--patience", "1", "--schedule", "constant", "--lr", "0.1", "--test-images", "300")
    printed = refconv(*SMALL[:4], *options, "--epochs", "100", "--batch-size", "32", "--out", "out", cwd=tmp_path)
    history = lines_of(tmp_path / "out" / "history.csv")
    losses = [float(line["validation_loss"]) for line in history]
    best = losses.index(min(losses))
    assert best == len(history) - 2
    assert f"saving the network of epoch {best + 1}, which has the lowest validation loss" in printed
    model = load(tmp_path / "out" / "model.safetensors")
    assert model.notes["test_accuracy"] == float(history[best]["test_accuracy"])
    test_seed = np.random.SeedSequence(0).generate_state(2).tolist()[1]
    again = evaluate(model, data.Batches(*data.draw_digits(300, test_seed), 500, shuffle=False, prepare=data.lenet_input))
    assert again.loss == pytest.approx(float(history[best]["test_loss"]), rel=1e-5)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["history.csv", "model.safetensors", "training.png"]


@pytest.mark.slow
def test_training_on_mnist_reaches_the_accuracy_in_the_readme(tmp_path):
    if not os.environ.get("REFCONV_DATA_DIR"):
        pytest.skip("REFCONV_DATA_DIR does not name a folder with MNIST")
    if _core.ISA is None:
        pytest.skip("training on the loops would take days")
    printed = refconv("train", "lenet", "--data", "mnist", "--out", "out", cwd=tmp_path)
    accuracies = [float(a) for a in re.findall(r"test: loss [\d.]+, accuracy ([\d.]+) %", printed)]
    assert len(accuracies) == 3
    assert accuracies[-1] >= 98.9


@pytest.mark.slow
@needs_kernels
@pytest.mark.skipif(sys.platform == "win32", reason="Windows closes pipes differently")
def test_a_run_whose_output_pipe_is_closed_is_saved(tmp_path):
    command = [sys.executable, "-m", "refconv", "train", "lenet", "--images", "300", "--epochs", "2", "--out", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    load(tmp_path / "out" / "model.safetensors")


def test_a_folder_that_cannot_be_created_is_refused_before_training(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    message = refconv("train", "lenet", "--images", "100", "--out", "file/sub", cwd=tmp_path, status=1)
    assert "file/sub" in message
    assert "epoch" not in message


@pytest.mark.slow
def test_a_run_that_diverges_saves_its_history_and_plot_and_no_model(tmp_path):
    message = refconv(*SMALL, "--test-images", "50", "--lr", "50", "--out", "out", cwd=tmp_path, status=1)
    sentence = r"^refconv: the loss is nan at step \d+ of epoch \d, in layer \w+; .* \(saved .*history.csv and training.png"
    assert re.search(sentence, message, re.M)
    assert "Traceback" not in message
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["history.csv", "training.png"]
    assert lines_of(tmp_path / "out" / "history.csv")[-1]["test_loss"] == ""
    with pillow.open(tmp_path / "out" / "training.png") as picture:
        assert picture.size == (1200, 864)
