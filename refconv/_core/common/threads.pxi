# Included by every kernel module: each has the setter for its own copy of the count, and all share the threads of one team.
from cpython.pycapsule cimport PyCapsule_GetPointer

from refconv._core.isa.baseline import cpu as _cpu
from refconv._core.common.threads cimport Team, num_threads, threads_for, use_team, use_threads

if _cpu.team is not None:
    use_team(<const Team *> PyCapsule_GetPointer(_cpu.team, "refconv.team"))


def set_num_threads(int n):
    """Let the kernels of this module run on n threads."""
    use_threads(n)
