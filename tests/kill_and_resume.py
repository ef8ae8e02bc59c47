"""Program that repeatedly kills and resumes a run and compares it with an uninterrupted run.

    python tests/kill_and_resume.py --kills 20

The run uses every component that has state: batch normalisation, dropout, stochastic depth, momentum, shuffled and augmented
data that a thread prefetches, and a learning rate that drops on a plateau. The run is killed with SIGKILL. Both runs must end
with the same bits.
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS, IMAGES, BATCH = 4, 600, 16


def train(folder, pause, every):
    """Start or resume the run; write the hash of the final parameters into the folder."""
    import numpy as np

    from refconv import data, nn, optim
    from refconv.training import Callback, Checkpoint, fit

    class Pause(Callback):
        def on_step_end(self, run):
            time.sleep(pause)

    model = nn.Sequential(
        conv=nn.Conv2D(4, 3, stride=2),
        norm=nn.BatchNorm(),
        relu=nn.ReLU(),
        block=nn.Sum(nn.Identity(), nn.StochasticDepth(nn.Conv2D(4, 3, padding="same"), survival=0.6)),
        flatten=nn.Flatten(),
        drop=nn.Dropout(0.3),
        scores=nn.Dense(10),
    )
    model.build((32, 32, 1), rng=0)
    images, labels = data.draw_digits(IMAGES + 100, seed=1)
    training = images[:IMAGES], labels[:IMAGES]
    augment, prepare = data.augment.shift(2), data.lenet_input
    batches = data.Prefetch(data.Batches(*training, BATCH, rng=2, prepare=prepare, augment=augment))
    fit(
        model,
        batches,
        optim.SGD(model, lr=0.02, momentum=0.9),
        epochs=EPOCHS,
        validation=data.Batches(images[IMAGES:], labels[IMAGES:], 50, shuffle=False, prepare=prepare),
        schedule=optim.Plateau(patience=1, factor=0.5),
        callbacks=[Checkpoint(folder, every=every, resume=True), Pause()],
    )
    bits = b"".join(np.ascontiguousarray(p.value).tobytes() for p in model.named_parameters().values())
    (folder / "sum").write_text(hashlib.sha256(bits).hexdigest(), encoding="utf-8")


def child(folder, pause, every):
    command = [sys.executable, __file__, "--train", str(folder), "--pause", str(pause), "--every", str(every)]
    return subprocess.Popen(command)


def killed_and_resumed(kills, seed=0):
    """Return True if a run killed this many times ends with the bits of an uninterrupted run."""
    rng, pause = random.Random(seed), 0.004
    # Each process trains for about this many seconds, so that the kills are spread over the run.
    seconds = EPOCHS * -(-IMAGES // BATCH) * pause / (kills + 1)
    with tempfile.TemporaryDirectory() as uninterrupted, tempfile.TemporaryDirectory() as interrupted:
        for kill in range(kills):
            process = child(Path(interrupted), pause, every=3)
            wait_for_checkpoint(Path(interrupted) / "last.safetensors", process)
            time.sleep(rng.uniform(0, 2) * seconds)
            process.kill()
            if process.wait() != -signal.SIGKILL:
                raise RuntimeError(f"the run ended before it was killed, after {kill} kills")
        for folder in (interrupted, uninterrupted):
            if child(Path(folder), 0, every=1000).wait():
                raise RuntimeError("the run failed")
        return (Path(interrupted) / "sum").read_bytes() == (Path(uninterrupted) / "sum").read_bytes()


def wait_for_checkpoint(path, process):
    """Wait until the child process has written a checkpoint: it is then training, not importing."""
    before = path.stat().st_mtime_ns if path.exists() else None
    while process.poll() is None and (path.stat().st_mtime_ns if path.exists() else None) == before:
        time.sleep(0.002)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.pause, options.every)
    else:
        same = killed_and_resumed(options.kills, options.seed)
        print(f"killed {options.kills} times; the final bits are {'the same' if same else 'DIFFERENT'}")
        sys.exit(not same)
