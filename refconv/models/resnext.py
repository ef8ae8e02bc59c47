"""ResNeXt: the residual network's bottlenecks with many narrow paths side by side instead of one wide one.

A block's 3 × 3 convolution works in groups; cardinality C is their number and d the filters in each. The settings of the
paper's Table 2 cost the same, so that only cardinality differs. Strides are taken in the 3 × 3, as in the code that the paper
builds upon.
"""

from refconv._arguments import integer
from refconv._errors import ArgumentValueError
from refconv.models.batch_norm import takes_batch_norm_options
from refconv.models.resnet import resnet
from refconv.nn.combinators import Sequential

__all__ = ["resnext"]

# Table 2: the filters of a group in conv2_x for each cardinality, at equal complexity.
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
    """A ResNeXt for images of 224 × 224 pixels.

    Parameters
    ----------
    depth : int
        50, 101 or 152 layers.
    classes, width, small_images
        As for :func:`resnet`.
    cardinality : int
        C, any number of paths of which the filters can be shared out.
    group_width : int or None
        d, filters of each path in the first stage, twice, four and eight times as many in the next. None: what Table 2 says.
    bn_momentum, bn_eps, bn_averages : optional
        Arguments ``momentum``, ``eps`` and ``averages`` of all batch normalisations; see :class:`refconv.nn.BatchNorm`.

    Returns
    -------
    Sequential

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or group_width is None and the paper has no setting for this cardinality.

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
            f"group_width must be given: the paper has one for a cardinality of {[*SETTINGS]}, not {cardinality!r}"
        )
    d = SETTINGS[cardinality] if group_width is None else integer("group_width", group_width)
    options = {"groups": cardinality, "inner": cardinality * d / 64, "stride_in": "3x3", "small_images": small_images}
    return resnet(depth, classes, width, **options)
