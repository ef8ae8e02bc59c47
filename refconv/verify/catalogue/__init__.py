"""Every operator of the book, with what there is to prove about it: one module a family, in the order of the lectures."""

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

__all__ = ["OPERATORS", "find"]

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

OPERATORS = {operator.name: operator for family in FAMILIES for operator in family.OPERATORS}


def find(name):
    """The operator of this name, or the one of which this is a derivative.

    >>> find("conv2d").name, find("conv2d_dw").name
    ('conv2d', 'conv2d')
    """
    if name in OPERATORS:
        return OPERATORS[name]
    for operator in OPERATORS.values():
        if name in operator.functions:
            return operator
    raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, or a derivative of one, but is {name!r}")
