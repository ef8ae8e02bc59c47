"""Tests of windows for pooling: ceil mode, and an element of the input at each position."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refconv.geometry import Window
from strategies import holds_pixels, input_sizes, windows

signals = windows(1, most_kernel=4)


@given(signals, st.integers(1, 12))
def test_ceil_mode_adds_windows_until_the_input_is_covered_or_one_would_start_in_the_end_padding(window, n):
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
        (2, 5, 3, 0, None, None),  # three elements are missing, which equals the stride
        (2, 5, 3, ((0, 1),), None, 1),
        (1, 9, 9, 0, None, 1),
    ],
)
def test_ceil_mode_matches_known_cases(n, kernel, stride, padding, floor, ceil):
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
def test_a_window_is_refused_exactly_if_it_contains_no_element_at_some_position(case, ceil_mode):
    (window, size) = case
    window = Window(window.kernel, window.stride, window.padding, window.dilation, ceil_mode)
    if holds_pixels(window, size):
        assert window.pooled_size(size) == window.output_size(size)
    else:
        with pytest.raises(ValueError, match="got only padding at"):
            window.pooled_size(size)


# Taps with a distance of 7 can miss an input of 3 elements. The test finds the first such position by trying all.
@pytest.mark.parametrize("n", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("stride", range(1, 16))
@pytest.mark.parametrize("before", [0, 5, 14, 20, 21, 28])
def test_the_first_position_without_an_element_is_named(n, stride, before):
    window = Window((5,), stride, ((before, 30),), 7)
    starts = [i * stride - before for i in range(*window.output_size((n,)))]
    empty = [start for start in starts if not any(0 <= start + 7 * m < n for m in range(5))]
    if empty:
        with pytest.raises(ValueError, match=f"only padding at {empty[0]} on axis 0"):
            window.pooled_size((n,))
    else:
        assert window.pooled_size((n,)) == (len(starts),)


def test_only_existing_positions_must_contain_an_element():
    # The only window that fits starts at −6, and its last tap hits the element; a window at −5 would miss it.
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
        # Half a billion positions start before the input, and the taps have a distance of 1024. Here the input is
        # exactly as long as this distance …
        (Window((2**19 + 1,), 1, ((2**29, 2**29),), 1024), 1024, 2**29 + 1024),
        # … and here it is one element shorter: at one position, the taps fall just before and just after it.
        (Window((2**19 + 1,), 1, ((2**29, 2**29),), 1024), 1023, f"at {1023 - 2**29} on"),
        # If the stride is also 1024, the taps hit the first element at each position.
        (Window((2**19 + 1,), 1024, ((2**29, 2**29 - 1),), 1024), 1, 2**19),
        # With a stride of 1025 the taps hit the next element at each position, and they miss the input after 900 positions.
        # With a stride of 1023 they miss it at the second position.
        (Window((2**19 + 1,), 1025, ((2**29, 2**29),), 1024), 900, f"at {1025 * 900 - 2**29} on"),
        (Window((2**19 + 1,), 1023, ((2**29, 2**29),), 1024), 900, f"at {1023 - 2**29} on"),
    ],
)
def test_a_billion_positions_are_checked_without_enumeration(window, n, expected):
    if isinstance(expected, int):
        assert window.pooled_size((n,)) == (expected,)
    else:
        with pytest.raises(ValueError, match=expected):
            window.pooled_size((n,))
