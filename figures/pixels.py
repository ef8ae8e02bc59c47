"""Pictures as rows of a CSV file: a row for each line of pixels, in base64."""

import base64

import numpy as np


def rows_of(name, picture):
    """Return the rows of a picture (H, W, 3) with values from 0 to 1.

    ``what`` is the name of the picture, ``at`` the number of a line and ``value`` its pixels.
    """
    lines = np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    return [{"what": name, "at": k, "value": base64.b64encode(line.tobytes()).decode()} for k, line in enumerate(lines)]


def picture_of(rows, name):
    """Decode a picture from its rows; the values are from 0 to 1."""
    lines = [base64.b64decode(row["value"]) for row in rows if row["what"] == name]
    return np.frombuffer(b"".join(lines), np.uint8).reshape(len(lines), -1, 3) / 255
