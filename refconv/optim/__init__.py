"""How parameters follow their gradients: optimisers, clipping, and schedules of the learning rate."""

from refconv.optim.clip import clip_by_global_norm
from refconv.optim.optimizers import SGD, Adam, Optimizer, RMSProp
from refconv.optim.schedules import Plateau, constant, cosine, exponential, step_down, warm_up

__all__ = [
    "SGD",
    "Adam",
    "Optimizer",
    "Plateau",
    "RMSProp",
    "clip_by_global_norm",
    "constant",
    "cosine",
    "exponential",
    "step_down",
    "warm_up",
]
