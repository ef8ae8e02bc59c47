"""Simulated terminal: a stream that shows what a reader would see."""

import io
import sys

__all__ = ["Terminal"]


class Terminal(io.StringIO):
    """Stream for both the standard output and the standard error, such as a terminal is."""

    @classmethod
    def installed(cls, monkeypatch):
        """Return a terminal that replaces the standard streams until the end of the test.

        A fixture cannot do it, because pytest sets its own streams again before it calls the test.
        """
        screen = cls()
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    def isatty(self):
        return True

    def lines(self):
        """Return the lines on the screen; a carriage return moves to the beginning of a line."""
        screen, column = [""], 0
        for character in self.getvalue():
            if character == "\n":
                screen.append("")
                column = 0
            elif character == "\r":
                column = 0
            else:
                screen[-1] = f"{screen[-1][:column]:{column}}{character}{screen[-1][column + 1 :]}"
                column += 1
        return [line.rstrip() for line in screen]
