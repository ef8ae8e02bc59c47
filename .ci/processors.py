"""Print the x86 processors that this machine can imitate, newest first.

Each line has the name of a processor and the environment that imitates it. ``REFCONV_ISA`` selects the kernels,
``OPENBLAS_CORETYPE`` the BLAS kernels of NumPy and SciPy, and ``NPY_DISABLE_CPU_FEATURES`` switches off NumPy's own newer
instructions. OpenBLAS does not check whether the processor can run the selected kernels, so this program does. It prints
nothing on other architectures and systems.

``--older`` prints one processor only: the newest whose instruction set differs from this machine's.
"""

import sys
from pathlib import Path

import numpy as np

PROCESSORS = [  # name in OpenBLAS, instruction set of the kernels, flags in /proc/cpuinfo
    ("SkylakeX", "v4", {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}),
    ("Haswell", "v3", {"avx2", "fma"}),
    ("Zen", "v3", {"avx2", "fma"}),
    ("Sandybridge", "baseline", {"avx"}),
    ("Nehalem", "baseline", {"sse4_2"}),
    ("Prescott", "baseline", {"pni"}),
]


def cpu_flags():
    """Return the features of the first processor in /proc/cpuinfo."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    return next((set(line.split()[2:]) for line in lines if line.startswith("flags")), set())


def newer_features(isa):
    """Return NumPy's optional features that a processor with this instruction set lacks."""
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    if isa == "v4":
        return []
    return [name for name in features if isa == "baseline" or name.startswith(("AVX512", "X86_V4"))]


def environment(name, isa):
    """Return the variables that imitate a processor, as arguments of ``env``."""
    return f"REFCONV_ISA={isa} OPENBLAS_CORETYPE={name} NPY_DISABLE_CPU_FEATURES={','.join(newer_features(isa))}"


def main():
    """Print the processors to imitate, one for each line."""
    flags = cpu_flags()
    possible = [(name, isa) for name, isa, needed in PROCESSORS if needed <= flags]
    if "--older" in sys.argv[1:]:
        best = possible[0][1] if possible else None
        possible = [(name, isa) for name, isa in possible if isa != best][:1] or possible[-1:]
    for name, isa in possible:
        print(name, environment(name, isa))


if __name__ == "__main__":
    main()
