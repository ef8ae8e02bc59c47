"""Training and evaluation: the loop, metrics, callbacks and ensembles."""

from refconv.training.averages import recompute_averages
from refconv.training.callbacks import Callback, CSVLogger, EarlyStopping
from refconv.training.checkpoint import Checkpoint
from refconv.training.ensemble import Ensemble, centre_crop, crops_144, flips, grid_crops, scales, ten_crops
from refconv.training.evaluate import Evaluation, evaluate, predict, predict_proba
from refconv.training.familiarity import familiarity, least_familiarity
from refconv.training.fit import fit
from refconv.training.history import Diverged, Epoch, History
from refconv.training.image_prior import fit_image, meshgrid
from refconv.training.losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError
from refconv.training.lr_range import LearningRates, lr_range_test
from refconv.training.metrics import (
    accuracy,
    binary_accuracy,
    intersection_over_union,
    mean_absolute_error,
    top_k_accuracy,
)
from refconv.training.progress import ProgressBar
from refconv.training.run import Run
from refconv.training.step import train_step
from refconv.training.tensorboard import TensorBoard

__all__ = [
    "BinaryCrossEntropy",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CrossEntropy",
    "Diverged",
    "EarlyStopping",
    "Ensemble",
    "Epoch",
    "Evaluation",
    "History",
    "LearningRates",
    "Loss",
    "MeanSquaredError",
    "ProgressBar",
    "Run",
    "TensorBoard",
    "accuracy",
    "binary_accuracy",
    "centre_crop",
    "crops_144",
    "evaluate",
    "familiarity",
    "fit",
    "fit_image",
    "flips",
    "grid_crops",
    "intersection_over_union",
    "least_familiarity",
    "lr_range_test",
    "mean_absolute_error",
    "meshgrid",
    "predict",
    "predict_proba",
    "recompute_averages",
    "scales",
    "ten_crops",
    "top_k_accuracy",
    "train_step",
]
