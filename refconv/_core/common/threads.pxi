# Included by every kernel module: at import it gets the one team of threads, and with it the settings of the calling thread, from cpu.pyx.
from cpython.pycapsule cimport PyCapsule_GetPointer

from refconv._core.common.threads cimport MULTIPLY_ADDS_PER_STEP, Team, threads_for, use_team
from refconv._core.isa.baseline import cpu as _cpu

use_team(<Team *> PyCapsule_GetPointer(_cpu.team, "refconv.team"))
