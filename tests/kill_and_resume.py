"""Program that repeatedly kills and resumes a run and compares it with an uninterrupted run.

    python tests/kill_and_resume.py --kills 20
    python tests/kill_and_resume.py --kills 20 --processes 1 2 3

The run uses every component that has state: batch normalisation, dropout, stochastic depth, momentum, shuffled and augmented
data that a thread prefetches, and a learning rate that drops on a plateau. The run is killed with SIGKILL. Both runs must end
with the same bits. With --processes, mpiexec starts one of these numbers of processes each time, chosen at random, and one of
the processes, also chosen at random, is killed; the uninterrupted run has one process. This needs mpi4py.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from command_line import MPI_ENVIRONMENT, find_mpiexec

EPOCHS, IMAGES, BATCH, SHARDS = 4, 600, 16, 4


def train(folder, pause, every, shards):
    """Start or resume the run; write the hash of the final parameters into the folder."""
    import numpy as np

    from refconv import data, nn, optim
    from refconv.cli.mpi import processes_of_mpiexec
    from refconv.training import Callback, Checkpoint, fit

    class Pause(Callback):
        def on_step_end(self, run):
            time.sleep(pause)

    processes = processes_of_mpiexec()
    (folder / f"process-{processes.rank}").write_text(str(os.getpid()), encoding="utf-8")
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
        shards=shards,
        communicator=processes.communicator,
    )
    if processes.rank:
        return
    bits = b"".join(np.ascontiguousarray(p.value).tobytes() for p in model.named_parameters().values())
    (folder / "sum").write_text(hashlib.sha256(bits).hexdigest(), encoding="utf-8")


def child(folder, pause, every, processes=0):
    """Start the run; with mpiexec, unless the number of processes is 0."""
    command = [sys.executable, __file__, "--train", str(folder), "--pause", str(pause), "--every", str(every)]
    if not processes:
        return subprocess.Popen(command)
    command = [find_mpiexec(), "-n", str(processes), *command, "--shards", str(SHARDS)]
    return subprocess.Popen(command, env={**os.environ, **MPI_ENVIRONMENT}, stderr=subprocess.DEVNULL)


def killed_and_resumed(kills, seed=0, processes=(0,)):
    """Return True if a run killed this many times ends with the bits of an uninterrupted run.

    Each time, the number of processes is one of ``processes``; 0 is one process without mpiexec.
    """
    rng, pause = random.Random(seed), 0.004
    # Each process trains for about this many seconds, so that the kills are spread over the run.
    seconds = EPOCHS * -(-IMAGES // BATCH) * pause / (kills + 1)
    with tempfile.TemporaryDirectory() as uninterrupted, tempfile.TemporaryDirectory() as interrupted:
        for kill in range(kills):
            count = rng.choice(processes)
            process = child(Path(interrupted), pause, 3, count)
            wait_for_checkpoint(Path(interrupted) / "last.safetensors", process)
            time.sleep(rng.uniform(0, 2) * seconds)
            if process.poll() is not None:
                raise RuntimeError(f"the run ended before it was killed, after {kill} kills")
            killed = Path(interrupted) / f"process-{rng.randrange(max(count, 1))}"
            os.kill(int(killed.read_text(encoding="utf-8")), signal.SIGKILL)
            process.wait(30)
        for folder, count in ((interrupted, rng.choice(processes)), (uninterrupted, min(processes))):
            if child(Path(folder), 0, 1000, count).wait():
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
    parser.add_argument("--processes", type=int, nargs="+", default=[0], metavar="N")
    parser.add_argument("--shards", type=int)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.pause, options.every, options.shards)
    else:
        same = killed_and_resumed(options.kills, options.seed, options.processes)
        print(f"killed {options.kills} times; the final bits are {'the same' if same else 'DIFFERENT'}")
        sys.exit(not same)
