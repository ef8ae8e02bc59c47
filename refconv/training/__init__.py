"""Training a network and testing it: the loop, in as few lines as it has steps."""

from refconv.training.checkpoint import Checkpoints
from refconv.training.ensemble import Ensemble, crops_144, flips, scales, ten_crops
from refconv.training.evaluate import Evaluation, evaluate
from refconv.training.fit import fit
from refconv.training.history import Diverged, Epoch, History, Progress
from refconv.training.losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError
from refconv.training.step import train_step
from refconv.training.tensorboard import tensorboard

__all__ = [
    "BinaryCrossEntropy",
    "Checkpoints",
    "CrossEntropy",
    "Diverged",
    "Ensemble",
    "Epoch",
    "Evaluation",
    "History",
    "Loss",
    "MeanSquaredError",
    "Progress",
    "crops_144",
    "evaluate",
    "fit",
    "flips",
    "scales",
    "ten_crops",
    "tensorboard",
    "train_step",
]
