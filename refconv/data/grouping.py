"""Grouping of the parts of ink on a sheet to digits, and of digits to lines of writing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refconv.data.components import Components
from refconv.typing import Array

__all__ = ["digit_boxes"]

# All lengths are fractions of the typical height of a digit on the sheet.
LEAST_HEIGHT = 0.35  # lower groups are specks, points and dashes
PIECE_HEIGHT = 0.65  # lower parts may be a piece of a digit beside them
PIECE_GAP = 0.15  # largest gap between such a piece and its digit
STACK_GAP = 0.25  # largest gap between parts one above the other in one digit, such as the bar of a 5
MOST_HEIGHT = 1.7  # of a group of parts
LINE_SHIFT = 0.6  # largest difference of height between the middles of neighbours in a line
OVERLAP = 0.4  # fraction of the narrower part's width; parts that overlap more are one above the other


def digit_boxes(parts: Components) -> Iterator[tuple[int, Array, Array]]:
    """Yield the line, the box and the parts of each digit, in reading order.

    Lines are counted from 0. The box is top, left, bottom and right; the parts are a bool array with an element for each part.
    """
    height = _typical_height(parts)
    groups = _merged([(box, [k]) for k, box in enumerate(parts.boxes)], height)
    tall = [group for group in groups if group[0][2] - group[0][0] >= LEAST_HEIGHT * height]
    for number, line in enumerate(_lines(tall, height)):
        for box, members in line:
            yield number, box, np.isin(np.arange(len(parts.boxes)), members)


def _typical_height(parts: Components) -> float:
    """Return the median height of the parts, weighted with their longer sides.

    The weights reduce the influence of short pieces of digits.
    """
    heights = parts.boxes[:, 2] - parts.boxes[:, 0]
    weights = np.maximum(heights, parts.boxes[:, 3] - parts.boxes[:, 1])
    order = np.argsort(heights)
    cumulative = np.cumsum(weights[order])
    return float(heights[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


Group = tuple[Array, list[int]]  # the box, and the indices of the parts in it


def _merged(groups: list[Group], height: float) -> list[Group]:
    """Join groups that belong to one digit until there are none."""
    first = 0
    while first < len(groups):
        box, members = groups[first]
        partner = next((k for k in range(first + 1, len(groups)) if _belong_together(box, groups[k][0], height)), None)
        if partner is None:
            first += 1
            continue
        other, more = groups.pop(partner)
        groups[first] = _union(box, other), members + more
        first = 0  # the larger group may touch an earlier one
    return groups


def _union(a: Array, b: Array) -> Array:
    return np.concatenate([np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])])


def _belong_together(a: Array, b: Array, height: float) -> bool:
    """Return True if the boxes of two groups contain pieces of one digit."""
    union = _union(a, b)
    if union[2] - union[0] > MOST_HEIGHT * height:
        return False
    gap_y, gap_x = np.maximum(a[:2], b[:2]) - np.minimum(a[2:], b[2:])  # negative if they overlap
    narrower = min(a[3] - a[1], b[3] - b[1])
    if -gap_x >= OVERLAP * narrower and gap_y <= STACK_GAP * height:
        return True
    is_piece = min(a[2] - a[0], b[2] - b[0]) < PIECE_HEIGHT * height
    return bool(is_piece and max(gap_x, gap_y) <= PIECE_GAP * height)


def _lines(groups: list[Group], height: float) -> list[list[Group]]:
    """Return the lines of writing from top to bottom, each from left to right.

    A line may be tilted: a digit belongs to the line whose last digit is at nearly the same height.
    """
    lines: list[list[Group]] = []
    for group in sorted(groups, key=lambda group: group[0][1] + group[0][3]):
        middle = _middle(group)
        shifts = [abs(_middle(line[-1]) - middle) for line in lines]
        nearest = int(np.argmin(shifts)) if shifts else 0
        if shifts and shifts[nearest] <= LINE_SHIFT * height:
            lines[nearest].append(group)
        else:
            lines.append([group])
    return sorted(lines, key=lambda line: np.mean([_middle(group) for group in line]))


def _middle(group: Group) -> float:
    return float(group[0][0] + group[0][2]) / 2
