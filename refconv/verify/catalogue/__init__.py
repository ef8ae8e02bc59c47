"""Rows of the table operator × evidence, with one module for each family.

The public operators come first, in the order of the lectures, followed by other forms of them, optimisers and layers. The
module of a family defines ``OPERATORS``, ``FORMS`` or ``UPDATES``; :mod:`refconv.verify.catalogue.operators` collects them.
"""

import difflib
from collections.abc import Mapping

from refconv._errors import ArgumentValueError, suggestion
from refconv.verify.catalogue import combinators, layers
from refconv.verify.catalogue.operators import FORMS, OPERATORS, UPDATES, by_name
from refconv.verify.operator import Operator

__all__ = ["CATALOGUE", "FORMS", "LAYERS", "OPERATORS", "UPDATES", "did_you_mean", "find"]

LAYERS = by_name((*layers.LAYERS, *combinators.COMBINATORS))
CATALOGUE = OPERATORS | FORMS | UPDATES | LAYERS


def find(name: str, among: Mapping[str, Operator] = OPERATORS) -> Operator:
    """Return the operator that has this name or a derivative or loop with this name.

    ``among`` is one of the dicts of this module. Raises ValueError, with similar names, if there is no such operator.

    >>> find("conv2d").name, find("conv2d_dw").name, find("sgd", CATALOGUE).name
    ('conv2d', 'conv2d', 'optim.SGD')
    """
    if name in among:
        return among[name]
    for operator in among.values():
        if name in (*operator.functions, *operator.loops):
            return operator
    known = dict.fromkeys(known for operator in among.values() for known in (*operator.functions, *operator.loops))
    expected = "a name that `refconv verify` lists" + (", but no layer or optimiser" if name in CATALOGUE else "")
    raise ArgumentValueError(f"operator must be {expected}, got {name!r}{did_you_mean(name, known)}")


def did_you_mean(name, known):
    """Return "; did you mean …?" with up to three similar known names, or "" if there are none.

    Names are compared without their prefixes ("nn.", "optim.") and in lower case. If some are equal, the others are left out.

    >>> did_you_mean("Conv2D", ["conv1d", "conv2d", "nn.Conv2D"]), did_you_mean("wavelet", ["relu"])
    ('; did you mean nn.Conv2D or conv2d?', '')
    """
    prefix, _, name = str(name).rpartition(".")
    names_by_form = {}
    for candidate in known:
        names_by_form.setdefault(candidate.rpartition(".")[2].lower(), []).append(candidate)

    def by_spelling(candidate):
        return not candidate.startswith(prefix), not candidate.endswith(name)

    similar = (
        [name.lower()]
        if name.lower() in names_by_form
        else difflib.get_close_matches(name.lower(), names_by_form, cutoff=0.65)
    )
    return suggestion(candidate_name for form in similar for candidate_name in sorted(names_by_form[form], key=by_spelling))
