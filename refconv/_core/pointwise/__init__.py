"""Operators that compute one element or one row at a time."""
