"""What an exhibit of the museum has shown: a line of its table."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Row", "passes", "table"]


class Row(NamedTuple):
    """A model, what it was shown, how long, and what came out."""

    model: str
    data: str
    passes: str
    seconds: float
    result: str

    def cells(self) -> tuple[str, ...]:
        return self.model, self.data, self.passes, f"{self.seconds:.0f}", self.result


def passes(epochs) -> str:
    """How often a network saw its data, in words.

    >>> passes(1), passes(3)
    ('1 epoch', '3 epochs')
    """
    return f"{epochs} epoch{'s' * (epochs > 1)}"


HEAD = ("model", "data", "passes", "seconds", "result")


def table(rows) -> str:
    """The rows as a table in Markdown.

    >>> print(table([Row("lenet-small", "60 digits", "2 epochs", 0.4, "11.0 %")]))
    | model | data | passes | seconds | result |
    | --- | --- | --- | ---: | --- |
    | lenet-small | 60 digits | 2 epochs | 0 | 11.0 % |
    """
    lines = (f"| {' | '.join(cells)} |" for cells in (HEAD, *(row.cells() for row in rows)))
    head, *body = lines
    return "\n".join([head, "| --- | --- | --- | ---: | --- |", *body])
