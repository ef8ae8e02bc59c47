# Included by every kernel module: at import, the module gets the shared team of threads from cpu.pyx, which also gives access
# to the settings.
from cpython.pycapsule cimport PyCapsule_GetPointer

from refconv._core.common.threads cimport MULTIPLY_ADDS_PER_STEP, Team, threads_for, use_team
from refconv._core.isa.baseline import cpu as _cpu

use_team(<Team *> PyCapsule_GetPointer(_cpu.team, "refconv.team"))
