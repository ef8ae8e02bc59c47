"""How much memory work takes at its peak, and whether each step asks the system for fresh pages; beside PyTorch.

    python -m benchmarks.memory --threads 2

Each case runs in a process of its own. The peak is the largest resident memory, less what was resident when the network
had been made and nothing done with it; faults are the pages that one step touched for the first time, the mean over the
last steps, when all that is reused has been made. Both are Linux's counts, from /proc.
"""

import argparse
import contextlib
import ctypes
import gc
import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks import peers
from refconv._ascii import use_ascii_forms

CASES = {
    "LeNet-5, training, batch 64": ("lenet", 64, (32, 32, 1), True),
    "ResNet-20, training, batch 128": ("resnet20", 128, (32, 32, 3), True),
    "ResNet-50, inference, batch 1": ("resnet50", 1, (224, 224, 3), False),
}
STEPS = 8
COUNTED = 4  # the last of them
LIBRARIES = ("refconv", "PyTorch NCHW", "PyTorch NHWC")


def main(arguments=None):
    """The command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "LIBRARY"), help="only this, here; prints JSON")
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(*options.measure, options.threads)))
        return
    libraries = LIBRARIES if peers.installed("torch") else LIBRARIES[:1]
    print(f"{'':32}" + "".join(f"{name:>24}" for name in libraries), flush=True)
    for case in CASES:
        cells = [cell(**elsewhere(case, library, options.threads)) for library in libraries]
        print(f"{case:32}" + "".join(f"{text:>24}" for text in cells), flush=True)


def cell(peak, faults):
    """What the table says of one case."""
    return f"{peak / 1e6:.0f} MB, {faults:.0f} faults"


def elsewhere(case, library, threads):
    """The same as :func:`measure`, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", "--threads", str(threads), "--measure", case, library]
    return json.loads(subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout)


def measure(case, library, threads):
    """Bytes at the peak beyond the network itself, and page faults a step."""
    name, images, shape, training = CASES[case]
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((images, *shape)).astype(np.float32), rng.integers(0, 10, images)
    step = (refconv_step if library == "refconv" else torch_step)(name, shape, x, labels, training, threads, library)
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what making the network has left over would be reused, and not be seen
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins anew
    before = resident("VmRSS")
    for _ in range(STEPS - COUNTED):
        step()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(COUNTED):
        step()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return {"peak": resident("VmHWM") - before, "faults": faults / COUNTED}


def resident(which):
    """Bytes of this process: VmRSS now, VmHWM at the peak."""
    return 1024 * int(re.search(rf"{which}:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8")).group(1))


def refconv_step(name, shape, x, labels, training, threads, library):
    """A step of work on a network that has been made."""
    import refconv
    from refconv import models, optim
    from refconv.training import train_step

    refconv.set_config(threads=threads)
    refconv.keep_freed_memory()
    model = models.create(name)
    model.build(shape, rng=1)
    if not training:
        return lambda: model(x)
    optimizer = optim.SGD(model, lr=0.01, momentum=0.9)
    return lambda: train_step(model, optimizer, x, labels)


def torch_step(name, shape, x, labels, training, threads, library):
    """The same with PyTorch."""
    import torch

    from benchmarks.problems.network import torch_module
    from refconv import models

    source = models.create(name)
    source.build(shape, rng=1)
    torch.set_num_threads(threads)
    layout = peers.CONTIGUOUS if library == "PyTorch NCHW" else peers.CHANNELS_LAST
    module = torch_module(source, shape).to(memory_format=getattr(torch, layout.name))
    images, right = layout.image(x), torch.from_numpy(labels)

    def infer():
        with torch.inference_mode():
            module(images)

    if not training:
        module.eval()
        return infer
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(images), right).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
