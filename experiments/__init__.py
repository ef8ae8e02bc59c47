"""Experiments on what the lectures say about training, and on what each architecture learns on a laptop.

``python -m experiments --list`` lists them; ``python -m experiments NAME …`` runs some and prints a table of results.
"""

from experiments import (
    augmentation,
    batch_norm,
    classifiers,
    deep_image_prior,
    dropout,
    layer_removal,
    lenet,
    neocognitron,
    residual,
    running_averages,
    segmentation,
    transfer,
)
from experiments.experiment import Experiment, Row, Settings, run, table

__all__ = ["EXPERIMENTS", "Experiment", "Row", "Settings", "run", "table"]

# A new experiment is one module with an `EXPERIMENT`, and one entry here.
EXPERIMENTS = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        *(lenet, augmentation, transfer, batch_norm, running_averages, dropout, residual),
        *(classifiers, neocognitron, segmentation, deep_image_prior, layer_removal),
    )
}
