"""Rows of all families in the catalogue by name: operators, other forms and optimisers."""

from importlib import import_module

from refconv.families import FAMILIES

__all__ = ["FORMS", "OPERATORS", "UPDATES", "by_name"]

_MODULES = [import_module(f"refconv.verify.catalogue.{family}") for family in FAMILIES]


def by_name(rows):
    """Return a dictionary of rows by name."""
    return {row.name: row for row in rows}


def _rows(kind):
    """Return the rows of one kind, such as "FORMS", of all families."""
    return by_name(row for module in _MODULES for row in getattr(module, kind, ()))


OPERATORS, FORMS, UPDATES = map(_rows, ("OPERATORS", "FORMS", "UPDATES"))
