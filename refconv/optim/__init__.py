"""Optimisers, gradient clipping and learning-rate schedules."""

from refconv.optim.clip import clip_by_global_norm
from refconv.optim.optimizer import Optimizer
from refconv.optim.optimizers import SGD, Adam, AdamW, RMSProp
from refconv.optim.schedules import Plateau, Schedule, constant, cosine, exponential, step_down, warm_up

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "Plateau",
    "RMSProp",
    "Schedule",
    "clip_by_global_norm",
    "constant",
    "cosine",
    "exponential",
    "step_down",
    "warm_up",
]
