"""Kill a training run with SIGKILL again and again, let it go on each time, and compare it with one that was left in peace.

    python tests/kill_and_resume.py --kills 20

The network has all that has a state of its own: batch normalisation, dropout, stochastic depth, momentum; the data come in
random order, augmented, through a prefetching thread; the learning rate waits for a plateau. Both runs must end with the
same bits.
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
    """One run, or the rest of it; writes the parameters' sum into the folder when it is through."""
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
    """Whether a run that was killed so often ends with the bits of one that was not."""
    rng, pause = random.Random(seed), 0.004
    # Each life lasts some steps, so that the kills are spread over the run, which goes on from what it has saved.
    life = EPOCHS * -(-IMAGES // BATCH) * pause / (kills + 1)
    with tempfile.TemporaryDirectory() as peaceful, tempfile.TemporaryDirectory() as hunted:
        for kill in range(kills):
            process = child(Path(hunted), pause, every=3)
            wait_for_a_change(Path(hunted) / "last.safetensors", process)
            time.sleep(rng.uniform(0, 2) * life)
            process.kill()
            if process.wait() != -signal.SIGKILL:
                raise RuntimeError(f"the run ended by itself after {kill} kills")
        for folder in (hunted, peaceful):
            if child(Path(folder), 0, every=1000).wait():
                raise RuntimeError("the run failed")
        return (Path(hunted) / "sum").read_bytes() == (Path(peaceful) / "sum").read_bytes()


def wait_for_a_change(path, process):
    """Until the child has written a checkpoint of its own, so that it is training and not importing."""
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
        print(f"killed {options.kills} times; the bits at the end are {'the same' if same else 'OTHERS'}")
        sys.exit(not same)
