"""What the lectures say of training, tried out: each recipe is one command, and its result a few rows of a table.

python -m refconv.recipes             all of them, three seeds each
python -m refconv.recipes lenet       one of them
python -m refconv.recipes --quick     smaller, one seed: whether they run, not what they reach
"""

from refconv.recipes import augmentation, batch_norm, dropout, lenet, residual, transfer
from refconv.recipes.recipe import Recipe, cook, table

__all__ = ["RECIPES", "Recipe", "cook", "table"]

RECIPES = {module.RECIPE.name: module.RECIPE for module in (lenet, augmentation, transfer, batch_norm, dropout, residual)}
