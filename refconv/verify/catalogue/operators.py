"""The public operators, their other forms and the optimisers, by their names: rows of every family in the catalogue."""

from importlib import import_module

from refconv.families import FAMILIES

__all__ = ["FORMS", "OPERATORS", "UPDATES", "by_name"]

_MODULES = [import_module(f"refconv.verify.catalogue.{family}") for family in FAMILIES]


def by_name(rows):
    """Return a dictionary of rows by their names."""
    return {row.name: row for row in rows}


def _rows(kind):
    """Return the rows of one kind, such as "FORMS", of all families that have some."""
    return by_name(row for module in _MODULES for row in getattr(module, kind, ()))


OPERATORS, FORMS, UPDATES = map(_rows, ("OPERATORS", "FORMS", "UPDATES"))
