"""Peak memory and page faults of training and inference, compared with PyTorch.

    python -m benchmarks.memory --threads 2
    python -m benchmarks.memory --plans

Each case runs in a separate process. The peak is the largest resident memory, minus the resident memory after the network was
created and before it was used. Faults are the pages that one step touches for the first time: the mean over the last steps,
when all reused memory has been allocated. Both are Linux's counts, from /proc.

With --plans, the table shows the memory of compiled networks instead, for images of 224×224 pixels: the weights of the network
and the peak of all arrays while it is compiled and while it runs, counted by tracemalloc. The limit is 2.2 times the weights
and 1.1 times the two largest outputs.
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
import tracemalloc
from pathlib import Path

import numpy as np

from benchmarks import peers
from refconv._ascii import use_ascii_forms

CASES = {
    "LeNet-5, training, batch 64": ("lenet", 64, (32, 32, 1), True),
    "ResNet-20, training, batch 128": ("resnet20", 128, (32, 32, 3), True),
    "ResNet-50, inference, batch 1": ("resnet50", 1, (224, 224, 3), False),
}
PLANS = ("resnet50", "vgg16", "densenet121", "mobilenet")
STEPS = 8
COUNTED = 4  # the last steps, whose page faults are counted
LIBRARIES = ("refconv", "PyTorch NCHW", "PyTorch NHWC")


def main(arguments=None):
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--plans", action="store_true", help="measure compiled networks")
    parser.add_argument("--measure", nargs=2, metavar=("CASE", "LIBRARY"), help="measure one case in this process; print JSON")
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(*options.measure, options.threads)))
        return
    if options.plans:
        print_plans(options.threads)
        return
    libraries = LIBRARIES if peers.installed("torch") else LIBRARIES[:1]
    print(f"{'':32}" + "".join(f"{name:>24}" for name in libraries), flush=True)
    for case in CASES:
        cells = [cell(**measure_in_subprocess(case, library, options.threads)) for library in libraries]
        print(f"{case:32}" + "".join(f"{text:>24}" for text in cells), flush=True)


def print_plans(threads):
    """Print the memory of compiled networks in MiB, for one image and for eight."""
    columns = ("weights", "compiling", "running", "limit", "of limit")
    print(f"{'MiB':24}" + "".join(f"{name:>12}" for name in columns), flush=True)
    for name in PLANS:
        for images in (1, 8):
            weights, compiling, running, limit = (size / 2**20 for size in measure_plan(name, images, threads))
            cells = [*(f"{size:.0f}" for size in (weights, compiling, running, limit)), f"{100 * running / limit:.0f}%"]
            print(f"{f'{name}, batch {images}':24}" + "".join(f"{text:>12}" for text in cells), flush=True)


def measure_plan(name, images, threads, shape=(224, 224, 3)):
    """Return the bytes of the weights, at the peaks of compiling and running, and of the limit."""
    import refconv
    from refconv import models

    refconv.set_config(threads=threads)
    model = models.create(name)
    model.build(shape, rng=1)
    weights = sum(parameter.value.nbytes for parameter in model.named_parameters().values())
    x = np.random.default_rng(1).standard_normal((images, *shape)).astype(np.float32)
    tracemalloc.start()
    try:
        plan = refconv.compile_model(model, batch_size=images)
        compiling = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        plan(x)
        running = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    outputs = sorted(images * x.itemsize * int(np.prod(step.node.shape)) for step in plan.steps)
    return weights, weights + compiling, weights + running, 2.2 * weights + 1.1 * sum(outputs[-2:])


def cell(peak, faults):
    """Return the cell of the table for one case."""
    return f"{peak / 1e6:.0f} MB, {faults:.0f} faults"


def measure_in_subprocess(case, library, threads):
    """Call :func:`measure` in a new process and return its result."""
    command = [sys.executable, "-m", "benchmarks.memory", "--threads", str(threads), "--measure", case, library]
    return json.loads(subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout)


def measure(case, library, threads):
    """Return the peak memory without the network itself, in bytes, and the page faults per step."""
    name, images, shape, training = CASES[case]
    rng = np.random.default_rng(1)
    x, labels = rng.standard_normal((images, *shape)).astype(np.float32), rng.integers(0, 10, images)
    step = (refconv_step if library == "refconv" else torch_step)(name, shape, x, labels, training, threads, library)
    gc.collect()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # otherwise steps would reuse freed memory, which the counts would not contain
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # reset the peak
    before = resident("VmRSS")
    for _ in range(STEPS - COUNTED):
        step()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(COUNTED):
        step()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return {"peak": resident("VmHWM") - before, "faults": faults / COUNTED}


def resident(which):
    """Return the resident memory of this process in bytes: VmRSS now, VmHWM at the peak."""
    return 1024 * int(re.search(rf"{which}:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8")).group(1))


def refconv_step(name, shape, x, labels, training, threads, library):
    """Return a function that runs one step of training or inference with refconv."""
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
    """Return a function that runs the same step with PyTorch."""
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
