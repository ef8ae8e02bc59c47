"""What hypothesis draws for the proofs: windows, sizes and cases, by the names of what is made.

Sizes and options are drawn; numbers come from seeds. So an example is made fast, and shrinks where it matters: to small
sizes and a plain window. Sizes in one case are mutually distinct, so that two exchanged axes show.
"""

from hypothesis import strategies as st

from refconv.geometry import Window
from refconv.verify.case import Case

__all__ = ["FORMATS", "conv_cases", "input_sizes", "layout", "least_size", "paddings", "unlike", "windows"]

FORMATS = ("channels_last", "channels_first")


def unlike(taken, low, high):
    """Whole numbers from low to high, except those taken; the next larger one where all of them are."""
    free = sorted(set(range(low, high + 1)) - set(taken))
    return st.sampled_from(free) if free else st.just(max(high, *taken) + 1)


@st.composite
def paddings(draw, ndim, most=3):
    """Every way to say a padding: a name, one number, one number an axis, one (before, after) pair an axis."""
    numbers = st.integers(0, most)
    return draw(
        st.sampled_from(["valid", "same", "same_lower", "full"])
        | numbers
        | st.tuples(*[numbers] * ndim)
        | st.tuples(*[st.tuples(numbers, numbers)] * ndim)
    )


@st.composite
def windows(draw, ndim=2, *, paddings=paddings, most_kernel=3, most_stride=3, most_dilation=3):
    """Windows of every kernel, stride, dilation and padding; kernels up to most_kernel, never square by design.

    ``paddings`` makes the padding strategy from ndim, for an operator that does not take all of them.
    """
    kernel = draw(st.lists(st.integers(1, most_kernel + ndim - 1), min_size=ndim, max_size=ndim, unique=True))
    stride = draw(st.tuples(*[st.integers(1, most_stride)] * ndim))
    dilation = draw(st.tuples(*[st.integers(1, most_dilation)] * ndim))
    return Window(kernel, stride, draw(paddings(ndim)), dilation)


def least_size(window):
    """The smallest input that a window fits, along each axis."""
    if window.padding in ("same", "same_lower", "full"):
        return (1,) * window.ndim
    pads = window.pads((1,) * window.ndim)
    return tuple(max(span - before - after, 1) for span, (before, after) in zip(window.span, pads, strict=True))


@st.composite
def input_sizes(draw, window, *, unlike_these=(), extra=4):
    """Sizes of images that a window fits, up to ``extra`` larger than they need be; no two axes alike."""
    size = []
    for least in least_size(window):
        size.append(draw(unlike({*size, *unlike_these}, least, least + extra)))
    return tuple(size)


def layout(N, size, C, data_format):
    """Shape of a batch in one of the layouts."""
    return (N, C, *size) if data_format == "channels_first" else (N, *size, C)


@st.composite
def conv_cases(draw, ndim=2, *, most_channels=3, most_groups=3, most_batch=3, extra=3):
    """Cases of the convolution layer, with every window, both layouts, and groups of several channels.

    Batch, sizes, channels and outputs are mutually distinct.
    """
    window = draw(windows(ndim))
    groups = draw(st.integers(1, most_groups))
    C_g = draw(st.integers(1, most_channels))
    O_g = draw(unlike({C_g}, 1, most_channels))
    channels = {C_g * groups, O_g * groups}
    N = draw(unlike(channels, 1, most_batch))
    size = draw(input_sizes(window, unlike_these={N, *channels}, extra=extra))
    data_format = draw(st.sampled_from(FORMATS))
    shapes = {
        "x": layout(N, size, C_g * groups, data_format),
        "w": (*window.kernel, C_g, O_g * groups),
        "b": (O_g * groups,),
    }
    return Case(shapes, {**window_options(window), "groups": groups, "data_format": data_format})


def window_options(window, *names):
    """A window as the keyword arguments of an operator."""
    options = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    return {name: options[name] for name in names or options}
