"""Experiments on the lectures' statements about training, and on small architectures.

``python -m experiments --list`` lists the experiments, and ``python -m experiments NAME …`` runs some of them and prints a
table of the results.
"""

from experiments import (
    augmentation,
    batch_norm,
    batch_size,
    captioning,
    classifiers,
    deep_image_prior,
    dropout,
    layer_removal,
    lenet,
    neocognitron,
    new_task,
    p4,
    recipe,
    relu_tanh,
    residual,
    running_averages,
    segmentation,
    settings,
    transfer,
)
from experiments.experiment import Experiment, Row, Settings, run, table

__all__ = ["EXPERIMENTS", "Experiment", "Row", "Settings", "run", "table"]

# To add an experiment, write a module with an `EXPERIMENT` and add it here.
EXPERIMENTS = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        *(
            lenet,
            augmentation,
            transfer,
            new_task,
            relu_tanh,
            batch_norm,
            running_averages,
            dropout,
            residual,
            settings,
            batch_size,
        ),
        *(recipe, classifiers, neocognitron, segmentation, deep_image_prior, layer_removal, p4, captioning),
    )
}
