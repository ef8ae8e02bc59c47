"""Analysis of networks: tables, memory, receptive fields, Gabor filters and residual paths."""

from refconv.analysis.gabor import gabor, gabor_bank, gabor_layer, likest_gabor
from refconv.analysis.paths import count_paths, deletable, path_lengths, paths, without
from refconv.analysis.summary import rows, stages, summary

__all__ = [
    "count_paths",
    "deletable",
    "gabor",
    "gabor_bank",
    "gabor_layer",
    "likest_gabor",
    "path_lengths",
    "paths",
    "rows",
    "stages",
    "summary",
    "without",
]
