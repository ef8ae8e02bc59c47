"""Training a network and testing it: the loop, in as few lines as it has steps."""

from refconv.training.checkpoint import Checkpoints
from refconv.training.evaluate import Evaluation, evaluate
from refconv.training.fit import fit
from refconv.training.history import Diverged, Epoch, History, Progress
from refconv.training.step import CrossEntropy, train_step

__all__ = [
    "Checkpoints",
    "CrossEntropy",
    "Diverged",
    "Epoch",
    "Evaluation",
    "History",
    "Progress",
    "evaluate",
    "fit",
    "train_step",
]
