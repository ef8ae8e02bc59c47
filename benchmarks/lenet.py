"""LeNet-5's training step against PyTorch: the same network, first weights, batches and optimiser, in turns.

    python -m benchmarks.lenet --batch-size 64 --threads 2

A machine that others use as well is now fast, now slow; so the two take turns, and of each the best of several medians
counts. PyTorch runs in both of its memory formats, and its better one is compared. Needs PyTorch.
"""

import argparse
import statistics
import time

import numpy as np
import torch

import refconv
from refconv import data, models, optim
from refconv.training import train_step

STEPS = 100


def refconv_steps(batches):
    model = models.lenet()
    model.build((32, 32, 1), rng=1)
    optimizer = optim.SGD(model.named_parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    return model, [lambda x=x, y=y: train_step(model, optimizer, x, y) for x, y in batches]


def torch_network(source):
    """The same network in PyTorch, with the weights of a refconv model."""
    nn = torch.nn
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    values = [p.value for p in source.named_parameters().values()]
    values[4] = values[4].reshape(5, 5, 16, 120).transpose(2, 0, 1, 3).reshape(400, 120)  # flattened channels first
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim]
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value.transpose(order))))
    return net


def torch_steps(source, batches, memory_format):
    net = torch_network(source).to(memory_format=memory_format)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step(x, y):
        loss = torch.nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    tensors = [
        (
            torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).to(memory_format=memory_format),
            torch.from_numpy(y.astype(int)),
        )
        for x, y in batches
    ]
    return [lambda x=x, y=y: step(x, y) for x, y in tensors]


def median_step(steps):
    times = []
    for k in range(STEPS):
        began = time.perf_counter()
        steps[k % len(steps)]()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    refconv.keep_freed_memory()  # as refconv.training.fit does; PyTorch, in the same process, has it as well
    refconv.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)

    images, labels = data.draw_digits(16 * options.batch_size, seed=1)
    batches = list(data.Batches(images, labels, options.batch_size))
    model, ours = refconv_steps(batches)
    sides = {
        "refconv": ours,
        "PyTorch, channels first": torch_steps(model, batches, torch.contiguous_format),
        "PyTorch, channels last": torch_steps(model, batches, torch.channels_last),
    }
    first = [float(np.asarray(steps[0]() if name != "refconv" else steps[0]()[0])) for name, steps in sides.items()]
    if max(first) - min(first) > 1e-4:
        raise SystemExit(f"not the same network: the first losses are {first}")

    best = dict.fromkeys(sides, float("inf"))
    for _ in range(options.rounds):
        for name, steps in sides.items():
            best[name] = min(best[name], median_step(steps))
    print(f"LeNet-5 training step, batch {options.batch_size}, {options.threads} threads, float32")
    for name, seconds in best.items():
        print(f"  {name:25} {1e3 * seconds:7.3f} ms   {options.batch_size / seconds:9,.0f} images/s")
    peer = min(seconds for name, seconds in best.items() if name != "refconv")
    print(f"  refconv is {peer / best['refconv']:.2f} times as fast as PyTorch's better format")


if __name__ == "__main__":
    main()
