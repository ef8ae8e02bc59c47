"""Time of LeNet-5's training step, compared with PyTorch.

    python -m benchmarks.lenet --batch-size 64 --threads 2

Both libraries use the same network, initial weights, batches and optimiser. The speed of a shared machine changes over time,
so the libraries take turns, and the best of several medians counts. PyTorch runs in both of its memory formats, and the faster
one is compared. Needs PyTorch.
"""

import argparse

import refconv
from benchmarks import measure, peers
from benchmarks.problems.lenet import LeNetStep
from refconv._ascii import use_ascii_forms


def main(arguments=None):
    """Run the command."""
    use_ascii_forms()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lenet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args(arguments)
    if not peers.installed("torch"):
        parser.error("PyTorch must be installed. Run: pip install torch")
    refconv.keep_freed_memory()  # as the command line does; the setting also affects PyTorch, in the same process
    refconv.set_config(threads=options.threads)
    peers.set_num_threads(options.threads, ["torch"])

    sides = LeNetStep("LeNet-5", options.batch_size).sides("training step", peers.PEERS["torch"])
    first = {name: float(side.run()) for name, side in sides.items()}
    if max(first.values()) - min(first.values()) > 1e-4:
        raise SystemExit(f"the first loss must be the same in all libraries, got {first}")
    best = measure.interleaved({name: side.run for name, side in sides.items()}, options.rounds)

    print(f"LeNet-5 training step, batch {options.batch_size}, {options.threads} threads, float32")
    for name, seconds in best.items():
        print(f"  {name:25} {1e3 * seconds:7.3f} ms   {options.batch_size / seconds:9,.0f} images/s")
    peer = min(best[name] for name in peers.PEERS["torch"])
    print(f"  refconv is {peer / best['refconv']:.2f} times as fast as PyTorch in its faster memory format")


if __name__ == "__main__":
    main()
