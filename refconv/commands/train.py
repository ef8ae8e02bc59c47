"""``refconv train``."""

import contextlib
import signal
import tempfile
from pathlib import Path

import numpy as np

from refconv import data, models, optim, report, weights
from refconv._extras import need
from refconv.commands.console import say
from refconv.ops.engine import current_engine, engine, get_num_threads, set_num_threads
from refconv.training import Diverged, evaluate, fit

__all__ = ["train"]

DIGITS = 30_000
TEST_DIGITS = 5_000


def train(options) -> None:
    """Train as the command line says, show how it goes, and save what comes out."""
    for module in ("matplotlib", "safetensors", "tqdm"):  # now, not after an hour of training
        need(module, "train", "refconv train")
    if options.threads:
        set_num_threads(options.threads)
    with engine(options.engine or current_engine()), _output_folder(options) as folder:
        _train(options, folder)


def _train(options, folder):
    arguments = {"style": options.style}
    model = models.build(options.model, **arguments)
    # Streams of their own: another batch size or data set does not change the first weights.
    weights_rng, order_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(options.seed).spawn(2))
    input_shape = models.input_shape(options.model)
    model.build(input_shape, weights_rng)
    optimizer = optim.SGD(model.named_parameters(), options.lr, momentum=options.momentum, weight_decay=options.weight_decay)
    (images, labels), (test_images, test_labels) = _load(options)
    batches = data.Batches(images, labels, options.batch_size, rng=order_rng)
    test = data.Batches(test_images, test_labels, 500)
    say(
        f"{options.model} ({options.style}): {model.count_parameters(input_shape):,} parameters, "
        f"{len(images):,} training and {len(test_images):,} test images, "
        f"{current_engine()} on {get_num_threads()} thread(s)"
    )
    try:
        with _stop_signals() as stop, _ProgressBars(len(images)) as bars:
            history = fit(
                model,
                batches,
                optimizer,
                epochs=options.epochs,
                test=test,
                schedule=optim.cosine,
                on_step=bars.step,
                on_epoch=bars.epoch,
                stop=stop,
            )
    except Diverged as error:
        raise FloatingPointError(f"{error} ({_save_diverged(folder, options, error, test)})") from error
    if history.stopped:
        say("stopped; saving what there is")
    _save(folder, options, arguments, model, history, test)
    if options.data == "digits" and current_engine() == "kernels":
        _test_on_mnist(model)


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
    """The folder asked for, if no model is in it yet; or the first free one of runs/MODEL-DATA, -2, -3, …"""
    if options.out:
        folder = Path(options.out)
        if (folder / "model.safetensors").exists():
            raise FileExistsError(f"--out {folder} holds a model.safetensors already; name another folder")
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
    """Training and test data, as many as asked for."""
    if options.data == "mnist":
        return _first(options.images, data.load_mnist("train"), "--images"), _first(
            options.test_images, data.load_mnist("test"), "--test-images"
        )
    count, test_count = options.images or DIGITS, options.test_images or TEST_DIGITS
    say(f"drawing {count:,} training and {test_count:,} test digits")
    train_seed, test_seed = np.random.SeedSequence(options.seed).generate_state(2).tolist()
    return data.draw_digits(count, train_seed), data.draw_digits(test_count, test_seed)


def _first(count, images_and_labels, option):
    there = len(images_and_labels[0])
    if count and count > there:
        raise ValueError(f"{option} must be at most {there:,} with MNIST, but is {count:,}")
    return tuple(part[:count] for part in images_and_labels)


def _save(folder, options, arguments, model, history, test):
    accuracy = history.epochs[-1].test_accuracy
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
        self.bar.close()
        self.bar = None
        say(
            f"epoch {line.epoch}: loss {line.train_loss:.4f}, accuracy {100 * line.train_accuracy:.2f} %  |  "
            f"test: loss {line.test_loss:.4f}, accuracy {100 * line.test_accuracy:.2f} %  |  "
            f"{line.seconds:.1f} s, {line.images_per_second:,.0f} images/s"
        )


@contextlib.contextmanager
def _stop_signals():
    """A function that says whether Ctrl-C or SIGTERM came; after the first they have their usual effect again."""
    came, usual = [], {}

    def note(number, frame):
        came.append(number)
        for other, handler in usual.items():
            signal.signal(other, handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        usual[number] = signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
