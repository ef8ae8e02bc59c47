"""The formulas of the lectures as nested loops that match them, one module a family.

The loops use +, −, ×, ÷, whole powers, comparisons and a few named functions only, so they run on float32 and float64 arrays,
and on object arrays of fractions or sympy symbols. They check no arguments: :mod:`refconv.ops` does that before.
"""

from importlib import import_module

from refconv.families import FAMILIES

__all__ = list(FAMILIES)

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}")
