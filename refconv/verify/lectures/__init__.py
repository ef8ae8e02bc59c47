"""Statements of the lectures, and an index of the code that implements each of them."""
