"""``refconv train``."""

import contextlib
import signal
import tempfile
import threading
import warnings
from pathlib import Path

import numpy as np

from refconv import data, models, optim, report, weights
from refconv._config import current_engine, engine, get_num_threads, set_num_threads
from refconv._optional import need
from refconv.commands.console import say
from refconv.training import Checkpoints, CrossEntropy, Diverged, evaluate, fit, tensorboard

__all__ = ["train"]

DIGITS = 30_000
TEST_DIGITS = 5_000
CHECKPOINT = "last.safetensors"
RUN_FILES = (CHECKPOINT, "best.safetensors", "model.safetensors", "history.csv", "training.png")  # written into --out
NOT_THE_RUNS_OWN = ("engine", "out", "resume", "run", "threads")  # options that may differ where a run goes on

AUGMENT = {"none": lambda: None, "shift": lambda: data.augment.shift(2), "distort": data.augment.distort}
SCHEDULES = {
    "cosine": lambda: optim.cosine,
    "constant": lambda: optim.constant,
    "step": optim.step_down,
    "plateau": optim.Plateau,
}


def train(options) -> None:
    """Train as the command line says, show how it goes, and save what comes out."""
    for module in ("matplotlib", "safetensors", "tqdm"):  # now, not after an hour of training
        need(module, "train", "refconv train")
    if options.tensorboard:
        need("tensorboardX", "tensorboard", "refconv train --tensorboard")
    if options.resume:
        _as_it_was_begun(options)
    if options.threads:
        set_num_threads(options.threads)
    with engine(options.engine or current_engine()), _output_folder(options) as folder:
        _train(options, folder)


def _as_it_was_begun(options):
    """Options of the run in the folder named by --resume."""
    path = Path(options.resume) / CHECKPOINT
    if not path.exists():
        raise FileNotFoundError(f"--resume {options.resume} holds no {CHECKPOINT}: that run is over, or never began")
    began = weights.read_tensors(path, "refconv-checkpoint")[1].get("notes", {})
    if began.get("model") != options.model:
        raise ValueError(f"--resume {options.resume} is a run of {began.get('model')}, and not of {options.model}")
    vars(options).update(began, out=options.resume)


def _train(options, folder):
    arguments = {"style": options.style}
    model = models.build(options.model, **arguments)
    # Streams of their own: another batch size or data set does not change the first weights.
    weights_rng, order_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(options.seed).spawn(2))
    input_shape = models.input_shape(options.model)
    model.build(input_shape, weights_rng)
    training, validation, test = _load(options)
    batches = data.Batches(*training, options.batch_size, augment=AUGMENT[options.augment](), rng=order_rng)
    test = data.Batches(*test, 500)
    say(
        f"{options.model} ({options.style}): {model.count_parameters(input_shape):,} parameters, "
        f"{len(training[0]):,} training and {len(test.images):,} test images, "
        f"{current_engine()} on {get_num_threads()} thread(s)"
    )
    notes = {name: value for name, value in vars(options).items() if name not in NOT_THE_RUNS_OWN}
    checkpoints = Checkpoints(folder, every=options.checkpoint_every, resume=bool(options.resume), notes=notes)
    try:
        history = _fit(model, batches, validation, test, checkpoints, folder, options)
    except Diverged as error:
        raise FloatingPointError(f"{error} ({_save_diverged(folder, options, error, test)})") from error
    if history.stopped:
        say(f"stopped; saving what there is; --resume {folder} goes on")
    elif history.best not in (None, history.epochs[-1]):
        checkpoints.recall_best(model)
        history.test = evaluate(model, test)
        say(f"the validation loss was lowest after epoch {history.best.epoch}: it is the one that is saved")
    _save(folder, options, arguments, model, history, test)
    if not history.stopped:
        checkpoints.last.unlink(missing_ok=True)
        checkpoints.best.unlink(missing_ok=True)
    if options.data == "digits" and current_engine() == "kernels":
        _test_on_mnist(model)


def _fit(model, batches, validation, test, checkpoints, folder, options):
    watchers = [tensorboard(folder)] if options.tensorboard else []
    with _stop_signals() as stop, _ProgressBars(len(batches.images)) as bars:
        return fit(
            model,
            batches,
            _optimizer(model, options),
            epochs=options.epochs,
            test=test,
            validation=data.Batches(*validation, 500) if validation else None,
            schedule=SCHEDULES[options.schedule](),
            loss=CrossEntropy(options.label_smoothing),
            clip_norm=options.clip_norm,
            patience=options.patience,
            checkpoints=checkpoints,
            on_step=bars.step,
            on_epoch=_tell(bars.epoch, *watchers),
            stop=stop,
        )


def _tell(*watchers):
    def on_epoch(line):
        for watch in watchers:
            watch(line)

    return on_epoch


def _optimizer(model, options):
    parameters, common = model.named_parameters(), {"weight_decay": options.weight_decay}
    if options.optimizer == "adam":
        return optim.Adam(parameters, options.lr, **common)
    kind = {"sgd": optim.SGD, "rmsprop": optim.RMSProp}[options.optimizer]
    return kind(parameters, options.lr, momentum=options.momentum, **common)


@contextlib.contextmanager
def _output_folder(options):
    """The folder that :func:`_reserve` makes, and that goes again if nothing was written into it."""
    folder = _reserve(options)
    try:
        with tempfile.TemporaryFile(dir=folder):  # whether it can be written to, before an hour of training
            pass
        yield folder
    finally:
        with contextlib.suppress(OSError):  # rmdir refuses where there is something in it
            folder.rmdir()
            if not options.out:
                folder.parent.rmdir()


def _reserve(options):
    """The folder asked for, if no run has written into it yet; or the first free one of runs/MODEL-DATA, -2, -3, …"""
    if options.out:
        folder = Path(options.out)
        existing = next((name for name in RUN_FILES if (folder / name).exists()), None)
        if existing and not options.resume:
            advice = f", or continue that run with --resume {folder}" if existing == CHECKPOINT else ""
            raise FileExistsError(f"--out {folder} holds a {existing} already; name another folder{advice}")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    Path("runs").mkdir(exist_ok=True)
    name, number = f"{options.model}-{options.data}", 1
    while True:
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()  # not exist_ok: another run may just have taken this name
        except FileExistsError:
            number += 1
        else:
            return folder


def _load(options):
    """Training, validation (or None) and test data, as many as asked for: pairs of images and labels."""
    if options.data == "digits":
        count, test_count = options.images or DIGITS, options.test_images or TEST_DIGITS
        say(f"drawing {count:,} training and {test_count:,} test digits")
        train_seed, test_seed = np.random.SeedSequence(options.seed).generate_state(2).tolist()
        training, test = data.draw_digits(count, train_seed), data.draw_digits(test_count, test_seed)
    else:
        load = {"mnist": data.load_mnist, "fashion-mnist": data.load_fashion_mnist, "kmnist": data.load_kmnist}[options.data]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            training = _first(options.images, load("train"), "--images", options)
            test = _first(options.test_images, load("test"), "--test-images", options)
        for warning in caught:  # files that are not verified
            say(f"{warning.message}")
    if not options.validation:
        return training, None, test
    return *data.split(*training, options.validation, rng=options.seed), test


def _first(count, images_and_labels, option, options):
    there = len(images_and_labels[0])
    if count and count > there:
        raise ValueError(f"{option} must be at most {there:,} with {options.data}, but is {count:,}")
    return tuple(part[:count] for part in images_and_labels)


def _save(folder, options, arguments, model, history, test):
    accuracy = history.test.accuracy
    notes = {"data": options.data, "seed": options.seed, "test_accuracy": accuracy}
    weights.save_model(folder / "model.safetensors", model, name=options.model, arguments=arguments, notes=notes)
    _save_history(folder, options, history, test, f"{100 * accuracy:.2f} % of test images read correctly")
    say(f"saved {folder / 'model.safetensors'}, history.csv and training.png")
    say(f"try:  refconv predict {folder / 'model.safetensors'} YOUR_DIGIT.png")


def _save_diverged(folder, options, error, test):
    """Keep how it went, but no model: weights that overflowed read nothing. Returns what was done, in words."""
    if not error.history.epochs:
        return "nothing to save"
    _save_history(folder, options, error.history, test, str(error).partition(";")[0])
    return f"saved {folder / 'history.csv'} and training.png, but no model"


def _save_history(folder, options, history, test, outcome):
    weights.write_atomically(folder / "history.csv", history.to_csv().encode())
    predictions = None if history.test is None else history.test.predictions
    title = f"{options.model} ({options.style}) on {options.data}: {outcome}"
    picture = report.training_picture(history, test.images, test.labels, predictions, title)
    weights.write_atomically(folder / "training.png", picture)


def _test_on_mnist(model):
    """A network that has seen only drawn digits, on real ones, where they are at hand."""
    with contextlib.suppress(data.DataNotFound, data.BadDataFile):
        test = data.Batches(*data.load_mnist("test", download=False), 500)
        say(f"on the real MNIST test images: {100 * evaluate(model, test).accuracy:.2f} %")


class _ProgressBars:
    """A bar for the epoch that runs, and a line for each that is done."""

    def __init__(self, images):
        self.images, self.bar = images, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()

    def step(self, progress):
        if self.bar is None:
            tqdm = need("tqdm", "train", "refconv train").tqdm
            name = f"epoch {progress.epoch}/{progress.epochs}"
            self.bar = tqdm(total=self.images, desc=name, unit=" images", leave=False)
        self.bar.update(progress.images - self.bar.n)
        self.bar.set_postfix_str(f"loss {progress.loss:.4f}, accuracy {100 * progress.accuracy:.2f} %", refresh=False)

    def epoch(self, line):
        if self.bar is not None:  # None: all steps of the epoch were done before the run was resumed
            self.bar.close()
        self.bar = None
        validated = ""
        if line.validation_loss is not None:
            validated = f"validation: loss {line.validation_loss:.4f}, accuracy {100 * line.validation_accuracy:.2f} %  |  "
        say(
            f"epoch {line.epoch}: loss {line.train_loss:.4f}, accuracy {100 * line.train_accuracy:.2f} %  |  {validated}"
            f"test: loss {line.test_loss:.4f}, accuracy {100 * line.test_accuracy:.2f} %  |  "
            f"{line.seconds:.1f} s, {line.images_per_second:,.0f} images/s"
        )


@contextlib.contextmanager
def _stop_signals():
    """Yield a function that returns True once Ctrl-C or SIGTERM was received; a second one has its usual effect.

    Only the main thread may handle signals: in any other one the function always returns False.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received, usual = [], {}

    def restore():
        for number, handler in usual.items():
            signal.signal(number, handler)

    def note(number, frame):
        received.append(number)
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not None:  # None: not installed from Python, which could not restore it
            usual[number] = signal.signal(number, note)
    try:
        yield lambda: bool(received)
    finally:
        restore()
