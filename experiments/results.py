"""File with the rows of experiments, so that a long command can be continued."""

import json
from dataclasses import asdict
from pathlib import Path

from experiments.experiment import Row
from refconv._errors import ArgumentValueError
from refconv._files import write_atomically

__all__ = ["Results"]


class Results:
    """Rows that a file contains, one JSON object in each line.

    Parameters
    ----------
    path : path
        The file. It need not exist.

    Raises
    ------
    ValueError
        If the file contains something else.
    """

    def __init__(self, path):
        self.path, self._lines = Path(path), {}
        for number, line in enumerate(self.path.read_text("utf-8").splitlines() if self.path.exists() else [], 1):
            try:
                entry = json.loads(line)
                self._lines[self._key(*(entry[name] for name in ("experiment", "variant", "seeds", "settings")))] = entry
            except (ValueError, KeyError, TypeError):
                raise ArgumentValueError(
                    f"--results must be a file of results, got {path} with line {number}: {line[:60]}"
                ) from None

    @staticmethod
    def _key(*parts):
        return json.dumps(parts, sort_keys=True)

    @staticmethod
    def _settings(settings):
        return {name: value for name, value in asdict(settings).items() if name != "seed"}

    def row(self, experiment, variant, seeds, settings):
        """Return a row of the file, or None."""
        entry = self._lines.get(self._key(experiment.name, variant, list(seeds), self._settings(settings)))
        return Row(experiment, variant, entry["results"], entry["seconds"]) if entry else None

    def add(self, row, seeds, settings):
        """Add a row, and write the file."""
        key = row.experiment.name, row.variant, list(seeds), self._settings(settings)
        names = ("experiment", "variant", "seeds", "settings", "results", "seconds")
        self._lines[self._key(*key)] = dict(zip(names, (*key, row.results, row.seconds), strict=True))
        write_atomically(self.path, "".join(f"{json.dumps(entry)}\n" for entry in self._lines.values()).encode())
