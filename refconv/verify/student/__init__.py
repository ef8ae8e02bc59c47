"""Tests of your own functions against the loops, with a hint for each common mistake."""
