"""The public operators by their names, in the order of the lectures."""

from refconv.verify.catalogue import (
    activation,
    avg_pool,
    conv,
    conv_transpose,
    convolve,
    dense,
    dropout,
    loss,
    matrix,
    max_pool,
    norm,
    resize,
    response_norm,
    separable,
)

__all__ = ["OPERATORS", "by_name"]

FAMILIES = (
    convolve,
    conv,
    matrix,
    conv_transpose,
    separable,
    max_pool,
    avg_pool,
    resize,
    norm,
    response_norm,
    dropout,
    activation,
    dense,
    loss,
)


def by_name(rows):
    """A dictionary of rows by their names."""
    return {row.name: row for row in rows}


OPERATORS = by_name(operator for family in FAMILIES for operator in family.OPERATORS)
