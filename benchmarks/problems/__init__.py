"""The problems of the table, one module for operators of a kind."""
