"""ResNeXt: residual networks whose bottlenecks have many narrow parallel paths.

The 3 × 3 convolution of a block is grouped. The cardinality C is the number of groups, and d is the number of filters in each
group. All settings in Table 2 of the paper have the same cost, so only the cardinality differs. The strides are in the 3 × 3
convolutions, as in the code on which the paper builds.
"""

from refconv._arguments import integer
from refconv._errors import ArgumentValueError
from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.resnet import resnet
from refconv.nn.combinators import Sequential

__all__ = ["resnext"]

# Table 2: for each cardinality, the number of filters of a group in conv2_x at equal complexity.
SETTINGS = {1: 64, 2: 40, 4: 24, 8: 14, 32: 4}


@takes_batch_norm_options
def resnext(
    depth: int = 50,
    classes: int = 1000,
    width: float = 1,
    *,
    cardinality: int = 32,
    group_width: int | None = None,
    small_images: bool = False,
) -> Sequential:
    """Create a ResNeXt for images of 224 × 224 pixels.

    Parameters
    ----------
    depth : int
        50, 101 or 152 layers.
    classes, width, small_images
        As for :func:`resnet`.
    cardinality : int
        C, the number of paths; it must divide the numbers of filters.
    group_width : int or None
        d, the number of filters of each path in the first stage; the next stages have 2 d, 4 d and 8 d. None for the value in
        Table 2.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid, or if group_width is None and Table 2 has no setting for this cardinality.

    Examples
    --------
    >>> resnext(50).count_parameters((224, 224, 3), trainable_only=True)
    25028904

    Source: lecture rows M10 and C5 (SOURCES.md); Xie et al., "Aggregated residual transformations for deep neural networks",
    2016.
    """
    cardinality = integer("cardinality", cardinality)
    if group_width is None and cardinality not in SETTINGS:
        raise ArgumentValueError(
            f"group_width must be given if cardinality is not one of {[*SETTINGS]}, got None and {cardinality!r}"
        )
    d = SETTINGS[cardinality] if group_width is None else integer("group_width", group_width)
    options = {"groups": cardinality, "inner": cardinality * d / 64, "stride_in": "3x3", "small_images": small_images}
    return resnet(depth, classes, width, **options)
