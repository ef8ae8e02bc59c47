"""Compiled inference: networks as lists of steps with packed weights."""

from refconv.inference.plan import Plan, compile_model

__all__ = ["Plan", "compile_model"]
