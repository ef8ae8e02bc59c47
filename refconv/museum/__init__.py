"""The architectures at work: each small variant learns something on a laptop, and says how well.

``python -m refconv.museum`` prints the table.
"""

from __future__ import annotations

from collections.abc import Iterator

from refconv._arguments import choice, integer
from refconv.museum import classifiers, lesion, organised, prior, segments
from refconv.museum.row import Row, table

__all__ = ["EXHIBITS", "SOURCES", "Row", "show", "table"]

SOURCES = ("digits", "mnist")
EXHIBITS = ("neocognitron", *classifiers.CLASSIFIERS, "unet", "denoise", "inpaint", "lesion")


def show(name, *, source="digits", images=None, epochs=None, seed=0) -> Iterator[Row]:
    """Run an exhibit.

    Parameters
    ----------
    name : str
        One of ``EXHIBITS``.
    source : str
        "digits", which refconv draws itself, or "mnist".
    images, epochs : int, optional
        In place of the exhibit's own; for ``denoise`` and ``inpaint``, epochs are hundreds of steps.
    seed : int
        Of weights, order and data.

    Returns
    -------
    iterator of Row

    Raises
    ------
    TypeError, ValueError
        At once, if there is no such exhibit or source, or a number is none of at least 1 (the seed: 0).

    Source: M1–M17, B9.
    """
    choice("name", name, EXHIBITS)
    choice("source", source, SOURCES)
    seed = integer("seed", seed, least=0)
    count = {} if images is None else {"images": integer("images", images)}
    often = {} if epochs is None else {"epochs": integer("epochs", epochs)}
    return _rows(name, source, count, often, seed)


def _rows(name, source, count, often, seed):
    steps = {"steps": 100 * often["epochs"]} if often else {}
    if name == "neocognitron":
        yield organised.organise_itself(source, **count, seed=seed)
    elif name == "unet":
        yield segments.segment(**count, **often, seed=seed)
    elif name in ("denoise", "inpaint"):
        yield {"denoise": prior.denoise, "inpaint": prior.inpaint}[name](**steps, seed=seed)
    elif name == "lesion":
        yield from lesion.lesions(source, **count, **often, seed=seed)
    else:
        yield classifiers.classify(name, source=source, **count, **often, seed=seed)
