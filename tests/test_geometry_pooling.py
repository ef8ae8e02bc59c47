"""What only pooling asks of a window: ceil mode, and that it holds an element of the input wherever it lands."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refconv.geometry import Window
from strategies import holds_pixels, input_sizes, windows

signals = windows(1, most_kernel=4)


@given(signals, st.integers(1, 12))
def test_ceil_mode_goes_on_until_nothing_is_left_over_or_a_window_would_start_in_the_end_padding(window, n):
    (span,), (S,), ((before, after),) = window.span, window.stride, window.pads((n,))
    assume(after < span)
    expected = 0
    while (expected - 1) * S + span < before + n + after and expected * S < before + n:
        expected += 1
    ceiling = Window(window.kernel, S, window.padding, window.dilation, ceil_mode=True)
    if expected:
        assert ceiling.output_size((n,)) == (expected,)
    else:
        with pytest.raises(ValueError, match=f"with ceil_mode fewer than {S} elements, the stride, may be missing"):
            ceiling.output_size((n,))


@pytest.mark.parametrize(
    ("n", "kernel", "stride", "padding", "floor", "ceil"),
    [
        (6, 3, 2, 0, 2, 3),  # the cut window starts at 4, inside
        (5, 3, 2, 0, 2, 2),  # nothing is cut
        (5, 2, 2, 1, 3, 3),  # the cut window would start at 6 of 1 + 5: in the end padding
        (6, 1, 4, 0, 2, 2),  # the cut window would start at 8, outside
        (4, 2, 3, ((0, 1),), 2, 2),
        (3, 5, 3, 0, None, 1),  # two elements are missing, fewer than the stride
        (2, 5, 3, 0, None, None),  # three are
        (2, 5, 3, ((0, 1),), None, 1),
        (1, 9, 9, 0, None, 1),
    ],
)
def test_ceil_mode_of_known_cases(n, kernel, stride, padding, floor, ceil):
    for expected, ceil_mode in ((floor, False), (ceil, True)):
        window = Window((kernel,), stride, padding, ceil_mode=ceil_mode)
        if expected:
            assert window.output_size((n,)) == (expected,)
        else:
            with pytest.raises(ValueError, match=f"the kernel's span {kernel} .*, got {n} elements and"):
                window.output_size((n,))


@given(
    windows(2, most_kernel=5, most_stride=7, most_dilation=6).flatmap(lambda w: input_sizes(w).map(lambda size: (w, size))),
    st.booleans(),
)
def test_a_window_is_refused_exactly_if_a_place_of_it_holds_no_element(case, ceil_mode):
    (window, size) = case
    window = Window(window.kernel, window.stride, window.padding, window.dilation, ceil_mode)
    if holds_pixels(window, size):
        assert window.pooled_size(size) == window.output_size(size)
    else:
        with pytest.raises(ValueError, match="got only padding at"):
            window.pooled_size(size)


# Taps 7 apart jump over 3 elements from some starts; which start is the first, a search through all of them tells.
@pytest.mark.parametrize("n", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("stride", range(1, 16))
@pytest.mark.parametrize("before", [0, 5, 14, 20, 21, 28])
def test_the_first_place_without_an_element_is_named(n, stride, before):
    window = Window((5,), stride, ((before, 30),), 7)
    starts = [i * stride - before for i in range(*window.output_size((n,)))]
    blind = [start for start in starts if not any(0 <= start + 7 * m < n for m in range(5))]
    if blind:
        with pytest.raises(ValueError, match=f"only padding at {blind[0]} on axis 0"):
            window.pooled_size((n,))
    else:
        assert window.pooled_size((n,)) == (len(starts),)


def test_only_the_places_that_there_are_must_hold_an_element():
    # The one window that fits begins at −6 and hits the element with its last tap; one at −5 would jump over it.
    assert Window((3,), 1, ((6, 0),), 3).pooled_size((1,)) == (1,)
    with pytest.raises(ValueError, match="only padding at -5 on axis 0"):
        Window((3,), 1, ((6, 1),), 3).pooled_size((1,))


BILLION = 2**30


@pytest.mark.parametrize(
    ("window", "n", "expected"),
    [
        (Window((2,), 1, 1), BILLION, BILLION + 1),
        (Window((3,), 1, ((2, 2),)), BILLION, BILLION + 2),
        (Window((3,), 1, ((2, 3),)), BILLION, f"at {BILLION} on"),
        (Window((3,), 1, ((3, 2),)), BILLION, "at -3 on"),
        # Half a billion starts in front of the input, with taps 1024 apart: the input is just as long as the gap …
        (Window((2**19 + 1,), 1, ((2**29, 2**29),), 1024), 1024, 2**29 + 1024),
        # … or one element shorter, and jumped over by taps that meet the one place of the gap behind it.
        (Window((2**19 + 1,), 1, ((2**29, 2**29),), 1024), 1023, f"at {1023 - 2**29} on"),
        # With a stride of 1024 as well, each start finds the first element again.
        (Window((2**19 + 1,), 1024, ((2**29, 2**29 - 1),), 1024), 1, 2**19),
        # With 1025 it finds the next one each time, and after 900 of them nothing; with 1023 nothing at once.
        (Window((2**19 + 1,), 1025, ((2**29, 2**29),), 1024), 900, f"at {1025 * 900 - 2**29} on"),
        (Window((2**19 + 1,), 1023, ((2**29, 2**29),), 1024), 900, f"at {1023 - 2**29} on"),
    ],
)
def test_a_billion_places_are_checked_without_a_walk(window, n, expected):
    if isinstance(expected, int):
        assert window.pooled_size((n,)) == (expected,)
    else:
        with pytest.raises(ValueError, match=expected):
            window.pooled_size((n,))
