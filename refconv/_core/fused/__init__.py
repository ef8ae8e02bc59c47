"""Several operators in one pass."""
