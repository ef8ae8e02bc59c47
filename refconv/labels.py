"""Class labels, checked where they enter and converted to one type."""

import numpy as np

__all__ = ["class_labels"]


def class_labels(labels, count=None, classes=None, *, name="labels"):
    """Return labels as a contiguous array of intp, or raise an error that says what is wrong with them.

    Arithmetic in a small type wraps around: in uint8 the product 16 · 17 is 16. So labels are converted once, here, and no
    code that computes with them needs to consider their type. The labels that are given are never modified.

    Parameters
    ----------
    labels : integer array (N,)
        Classes, from 0 to K − 1, of any integer type. Booleans are refused.
    count : int, optional
        The number N of labels that is expected.
    classes : int, optional
        K; if it is not known, labels must only be non-negative.
    name : str
        What error messages call the labels.

    Returns
    -------
    array (N,), intp

    Raises
    ------
    TypeError
        If labels are not integers, or are a masked array.
    ValueError
        If their shape is not (N,), or one of them is not a class; the message names the first such label.

    Examples
    --------
    >>> class_labels(np.array([16, 3], np.uint8), classes=17) * 17
    array([272,  51])
    >>> class_labels([2, 5, 1], classes=5)
    Traceback (most recent call last):
        ...
    ValueError: labels must be from 0 to 4, got 5 at index 1

    Source: lecture row A19 (SOURCES.md).
    """
    if isinstance(labels, np.ma.MaskedArray):
        raise TypeError(f"{name} must be a plain array, got a masked array, whose mask would be lost")
    try:
        labels = np.asarray(labels)
    except ValueError:
        raise ValueError(f"{name} must have shape (N,), got rows of different lengths") from None
    if labels.size and labels.dtype.kind not in "iu":  # an empty list becomes float64
        raise TypeError(f"{name} must be integers, got {labels.dtype}")
    if labels.ndim != 1 or count not in (None, len(labels)):
        raise ValueError(f"{name} must have shape ({'N' if count is None else count},), got {labels.shape}")
    most = np.iinfo(np.intp).max if classes is None else classes - 1
    wrong = np.flatnonzero((labels < 0) | (labels > most))
    if wrong.size:
        expected = "at least 0" if classes is None and labels[wrong[0]] < 0 else f"from 0 to {most}"
        raise ValueError(f"{name} must be {expected}, got {labels[wrong[0]]} at index {wrong[0]}")
    return np.ascontiguousarray(labels, np.intp)
