"""Rows of the table operator × evidence, with what there is to prove about each; one module a family.

The public operators come first, in the order of the lectures. Then come other forms of them, optimisers and layers.
"""

from refconv.verify.catalogue import (
    activation,
    avg_pool,
    combinators,
    conv,
    conv_transpose,
    convolve,
    dense,
    dropout,
    layers,
    loss,
    matrix,
    max_pool,
    norm,
    resize,
    response_norm,
    separable,
    update,
)

__all__ = ["CATALOGUE", "FORMS", "LAYERS", "OPERATORS", "UPDATES", "find"]

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


def by_name(operators):
    return {operator.name: operator for operator in operators}


OPERATORS = by_name(operator for family in FAMILIES for operator in family.OPERATORS)
FORMS = by_name(form for family in (conv, conv_transpose, separable, norm) for form in family.FORMS)
UPDATES = by_name(update.UPDATES)
LAYERS = by_name((*layers.LAYERS, *combinators.COMBINATORS))
CATALOGUE = OPERATORS | FORMS | UPDATES | LAYERS


def find(name, among=OPERATORS):
    """Return the operator of this name, or the one of which this is a derivative, or the optimiser that calls this loop.

    ``among`` is one of the dicts of this module.

    >>> find("conv2d").name, find("conv2d_dw").name, find("sgd", CATALOGUE).name
    ('conv2d', 'conv2d', 'optim.SGD')
    """
    if name in among:
        return among[name]
    for operator in among.values():
        if name in (*operator.functions, *operator.loops):
            return operator
    raise ValueError(f"operator must be one of {', '.join(among)}, or a derivative of one, but is {name!r}")
