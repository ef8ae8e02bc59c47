"""Image sizes that encoder-decoder networks accept."""

from collections.abc import Iterator
from dataclasses import dataclass

from refconv._errors import ArgumentValueError
from refconv.nn import Sequential
from refconv.nn.layer import Layer
from refconv.typing import Array, Backward, Shape

__all__ = ["SizeRule", "SizedSequential"]


@dataclass(frozen=True)
class SizeRule:
    """Rule for heights and widths n in pixels: n % step == remainder and n >= least.

    >>> SizeRule(step=16, remainder=12, least=188).check((188, 250))
    Traceback (most recent call last):
        ...
    refconv.ArgumentValueError: height and width must be 188 plus a multiple of 16, such as 236 or 252, got (188, 250)
    """

    step: int
    remainder: int
    least: int

    def check(self, size: Shape) -> None:
        """Raise ``ValueError`` if the height or the width violates the rule."""
        wrong = [n for n in size if n < self.least or n % self.step != self.remainder]
        if wrong:
            raise ArgumentValueError(f"height and width must be {self._description(wrong[0])}, got {tuple(size)}")

    def _description(self, wrong: int) -> str:
        if self.remainder:
            below = max(wrong - (wrong - self.remainder) % self.step, self.least)
            return f"{self.least} plus a multiple of {self.step}, such as {below} or {below + self.step}"
        if self.step == 1:
            return f"at least {self.least}"
        return f"divisible by {self.step}" + (f" and at least {self.least}" if self.least > self.step else "")


class SizedSequential(Sequential):
    """``Sequential`` for images (H, W, C) that checks their size.

    Without the check, an inner layer would raise a less clear error.
    """

    rule: SizeRule | None = None  # None in a part of the network, which may accept more sizes

    def output_shape(self, shape: Shape) -> Shape:
        self._check(shape)
        return super().output_shape(shape)

    def children(self, shape: Shape) -> Iterator[tuple[str, Layer, Shape]]:
        self._check(shape)
        return super().children(shape)

    def forward(self, x: Array, train: bool = True) -> tuple[Array, Backward]:
        self._check(x.shape[1:])
        return super().forward(x, train)

    def __call__(self, x: Array) -> Array:
        self._check(x.shape[1:])
        return super().__call__(x)

    def _check(self, shape: Shape) -> None:
        if self.rule and len(shape) == 3:
            self.rule.check(shape[:2])
