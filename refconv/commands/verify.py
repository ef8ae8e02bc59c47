"""``refconv verify``."""

from refconv._optional import need

__all__ = ["verify"]


def verify(operators, engine, quick) -> int:
    """Print the table operator × evidence; returns the exit status: 1 if anything was refuted."""
    need("hypothesis", "verify", "refconv verify")
    need("sympy", "verify", "refconv verify")
    from refconv.verify.evidence.table import table

    return int(any(outcome.refuted is not None for outcome in table(operators, quick=quick, engine=engine)))
