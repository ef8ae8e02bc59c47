"""The formulas of the lectures as nested loops, one module for each family of operators.

The loops use only +, −, ×, ÷, integer powers, comparisons and a few named functions. So they run on float32 and float64
arrays, and on object arrays of fractions or sympy symbols. They do not check their arguments: :mod:`refconv.ops` does.
"""

from importlib import import_module

from refconv.families import FAMILIES

__all__ = list(FAMILIES)

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}")
