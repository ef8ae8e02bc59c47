"""Repetition of a benchmark with several instruction sets, in a new process for each."""

import os
import subprocess
import sys

from refconv import _core

__all__ = ["LIMITS", "environment", "run_with_each", "selected"]

# Environment variables with which libraries use no newer instructions than an instruction set of refconv.
LIMITS = {
    "v3": {
        "REFCONV_ISA": "v3",
        "ONEDNN_MAX_CPU_ISA": "AVX2",  # PyTorch and OpenVINO
        "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",  # PyTorch
        "OPENBLAS_CORETYPE": "Haswell",  # NumPy
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",  # JAX
    },
    "v4": {"REFCONV_ISA": "v4"},
}
NOT_LIMITED = ("onnxruntime", "torch.compile")  # always use all instructions of the machine


def selected(text):
    """Return the instruction sets named in ``text``, which must be available on this machine."""
    names, available = [name for name in text.split(",") if name], _core.instruction_sets()
    possible = [name for name in LIMITS if name in available]
    for name in names or [text]:
        if name not in possible:
            raise ValueError(f"--isa must be one or more of {', '.join(possible)}, got {name!r}")
    return list(dict.fromkeys(names))


def environment(name):
    """Return the environment of a process that is limited to an instruction set."""
    return os.environ | LIMITS[name]


def run_with_each(names, options, libraries):
    """Run the command again with each instruction set; return 1 if a run failed, else 0.

    Libraries that cannot be limited are left out where the machine has newer instructions. The names of written files get the
    instruction set: ``rows.csv`` becomes ``rows-v3.csv``.
    """
    newest = [name for name in LIMITS if name in _core.instruction_sets()][-1]
    failed = False
    for name in names:
        compared = [library for library in libraries if name == newest or library not in NOT_LIMITED]
        if left_out := [library for library in libraries if library not in compared]:
            print(f"left out, because they cannot be limited to {name}: {', '.join(left_out)}", flush=True)
        command = [sys.executable, "-m", "benchmarks", *arguments_of(options, name), "--peers", ",".join(compared)]
        failed |= subprocess.run(command, env=environment(name)).returncode != 0
    return int(failed)


def arguments_of(options, isa):
    """Return the arguments of a run with one instruction set."""
    arguments = ["--threads", str(options.threads)]
    arguments += ["--rows", *options.rows] if options.rows else []
    arguments += ["--rounds", str(options.rounds)] if options.rounds else []
    arguments += ["--quick"] if options.quick else []
    for option in ("csv", "markdown", "png"):
        if path := getattr(options, option):
            arguments += [f"--{option}", str(path.with_stem(f"{path.stem}-{isa}"))]
    return arguments
