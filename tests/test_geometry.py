"""Tests of Window and the receptive field against enumeration and known cases."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refconv.geometry import PADDINGS, Window, mode_window, receptive_field
from strategies import input_sizes, least_size, windows

signals = windows(1, most_kernel=4)


def positions(n, window):
    """Return each position of a 1-D window that lies inside the padded signal, by trying all."""
    ((before, after),), (S,), (span,) = window.pads((n,)), window.stride, window.span
    return [at for at in range(0, n + before + after, S) if at + span <= n + before + after]


@given(st.data())
def test_output_size_is_the_number_of_positions_where_the_window_fits(data):
    window = data.draw(signals)
    (n,) = data.draw(input_sizes(window))
    assert window.output_size((n,)) == (len(positions(n, window)),)


@given(st.data())
def test_each_axis_is_computed_from_its_own_numbers(data):
    window = data.draw(windows(2))
    size = data.draw(input_sizes(window))
    for axis, n in enumerate(size):
        padding = window.padding if isinstance(window.padding, str) else (window.padding[axis],)
        alone = Window((window.kernel[axis],), window.stride[axis], padding, window.dilation[axis])
        assert window.span[axis : axis + 1] == alone.span
        assert window.pads(size)[axis : axis + 1] == alone.pads((n,))
        assert window.padded_size(size)[axis : axis + 1] == alone.padded_size((n,))
        assert window.output_size(size)[axis : axis + 1] == alone.output_size((n,))


def test_span_counts_the_holes_of_a_dilated_kernel():
    assert Window((3, 4, 1), dilation=(1, 3, 5)).span == (3, 10, 1)


def test_valid_padding_has_no_zeros():
    window = Window((3, 5), padding="valid")
    assert window.pads((7, 9)) == ((0, 0), (0, 0))
    assert window.output_size((7, 9)) == (5, 5)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 12])
def test_same_padding_gives_one_output_per_started_stride_with_the_fewest_zeros(n, kernel, stride):
    window = Window((kernel,), stride, "same")
    (output,) = window.output_size((n,))
    ((before, after),) = window.pads((n,))
    assert output == -(-n // stride)
    assert after - before in (0, 1)  # an odd number of zeros has the extra one at the end
    fewer = Window((kernel,), stride, ((before, after - 1),)) if after else None
    if fewer and n + before + after - 1 >= kernel:
        assert fewer.output_size((n,)) < (output,)


# Strides 1 and 2 are in the lecture's pictures; the numbers are in TensorFlow's documentation of SAME.
@pytest.mark.parametrize(
    ("n", "kernel", "stride", "dilation", "pads", "output"),
    [
        (5, 3, 1, 1, (1, 1), 5),
        (5, 4, 1, 1, (1, 2), 5),
        (5, 3, 2, 1, (1, 1), 3),
        (6, 3, 2, 1, (0, 1), 3),
        (13, 6, 5, 1, (1, 2), 3),
        (7, 1, 3, 1, (0, 0), 3),
        (4, 2, 3, 1, (0, 1), 2),
        (7, 3, 1, 2, (2, 2), 7),
    ],
)
def test_same_padding_matches_known_cases(n, kernel, stride, dilation, pads, output):
    window = Window((kernel,), stride, "same", dilation)
    assert window.pads((n,)) == (pads,)
    assert window.output_size((n,)) == (output,)
    lower = Window((kernel,), stride, "same_lower", dilation)
    assert lower.pads((n,)) == (pads[::-1],)
    assert lower.output_size((n,)) == (output,)


@given(signals.filter(lambda window: window.stride == (1,)), st.integers(1, 9))
def test_full_padding_at_stride_one_gives_one_output_for_each_overlap(window, n):
    window = Window(window.kernel, 1, "full", window.dilation)
    (span,) = window.span
    overlaps = [start for start in range(-2 * span, 2 * n + span) if start + span > 0 and start < n]
    assert window.output_size((n,)) == (len(overlaps),)
    assert window.pads((n,)) == ((-overlaps[0], overlaps[-1] + span - n),)


def test_full_padding_is_the_same_at_any_stride():
    assert Window((3, 2), (2, 3), "full", (1, 4)).pads((5, 6)) == ((2, 2), (4, 4))


@pytest.mark.parametrize(
    ("padding", "pads"),
    [
        (2, ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        ([1, 2], ((1, 1), (2, 2))),
        (((1, 2), (0, 3)), ((1, 2), (0, 3))),
        ([[1, 2], [0, 3]], ((1, 2), (0, 3))),
        (np.array([[1, 2], [0, 3]]), ((1, 2), (0, 3))),
        (np.int64(2), ((2, 2), (2, 2))),
        (0, ((0, 0), (0, 0))),
    ],
)
def test_padding_is_one_number_or_one_or_two_numbers_per_axis(padding, pads):
    assert Window((3, 5), padding=padding).pads((7, 9)) == pads


def test_a_single_number_in_a_sequence_is_the_padding_of_a_signal():
    assert Window((3,), padding=(2,)).pads((7,)) == ((2, 2),)
    assert Window((3,), padding=((1, 2),)).pads((7,)) == ((1, 2),)


@given(st.data())
def test_transposed_output_size_and_output_padding_reach_each_input_of_that_output_size(data):
    window = data.draw(signals)
    (n,), (S,) = data.draw(input_sizes(window)), window.stride
    output = window.output_size((n,))
    sizes = [(size,) for size in range(least_size(window)[0], n + S) if window.output_size((size,)) == output]
    assert 1 <= len(sizes) <= S
    # If fewer than S inputs have this output, the smallest of the S sizes would be 0 or negative.
    extras = range(S - len(sizes), S)
    assert [window.transposed_output_size(output, extra) for extra in extras] == sizes


def test_output_padding_allows_an_input_size_of_one_that_would_otherwise_be_zero():
    window = Window((2,), stride=2, padding=1)
    assert window.output_size((1,)) == (1,)
    assert window.transposed_output_size((1,), output_padding=1) == (1,)
    with pytest.raises(ValueError, match="output_size must be the output size of some input, got 1 on axis 0"):
        window.transposed_output_size((1,))


def test_output_padding_distinguishes_two_input_sizes_with_the_same_output_size():
    window = Window((3, 3), stride=2, padding=1)
    assert window.output_size((5, 5)) == window.output_size((6, 6)) == (3, 3)
    assert window.transposed_output_size((3, 3)) == (5, 5)
    assert window.transposed_output_size((3, 3), output_padding=1) == (6, 6)
    assert window.transposed_output_size((3, 3), output_padding=(0, 1)) == (5, 6)


@given(st.data())
def test_transposed_input_size_inverts_transposed_output_size(data):
    window = data.draw(signals)
    (n,), (S,), (D,) = data.draw(input_sizes(window)), window.stride, window.dilation
    inputs = window.output_size((n,))
    for extra in range(max(S, D)):
        try:
            size = window.transposed_output_size(inputs, extra)
        except ValueError:  # the padding leaves no output
            continue
        assert window.transposed_input_size(size, extra) == inputs
        if extra < S:
            assert window.transposed_input_size(size) == inputs
            for other in {*range(1, S)} - {extra}:
                with pytest.raises(ValueError, match=f"output_size must be possible with output_padding {other}, got"):
                    window.transposed_input_size(size, other)


def test_no_output_padding_gives_the_transposed_sizes_of_keras():
    for padding, size in (("same", 6), ("same_lower", 6), ("valid", 7), (1, 5)):
        window = Window((3,), stride=2, padding=padding)
        assert window.transposed_output_size((3,), None) == (size,)
        assert window.transposed_input_size((size,), None) == (3,)
    assert Window((1,), stride=4).transposed_output_size((3,), None) == (12,)
    assert Window((2,), stride=2, dilation=3).transposed_output_size((3,), None) == (8,)


@pytest.mark.parametrize(
    ("window", "arguments", "message"),
    [
        (Window((3, 5), stride=(2, 3)), ((4, 4), (2, 0)), "smaller than the stride 2 or the dilation 1 on axis 0, got 2"),
        (Window((3, 5), stride=(2, 3)), ((4, 4), (1, 3)), "smaller than the stride 3 or the dilation 1 on axis 1, got 3"),
        (Window((3, 5), dilation=(4, 2)), ((4, 4), (3, 2)), "smaller than the stride 1 or the dilation 2 on axis 1, got 2"),
        (Window((3, 5), stride=(2, 3)), ((4, 4), -1), "output_padding must be at least 0"),
        (Window((3, 5), stride=(2, 3)), ((4,), 0), "output_size must have 2 axes"),
        (Window((3, 5), stride=(2, 3)), ((4, 0), 0), "output_size must be at least 1"),
        (Window((2, 3), padding=(1, 2)), ((5, 1), 0), "output_size must be the output size of some input, got 1 on axis 1"),
    ],
)
def test_transposed_output_size_refuses_sizes_that_no_convolution_has(window, arguments, message):
    with pytest.raises(ValueError, match=message):
        window.transposed_output_size(*arguments)


@given(st.lists(windows(2, most_stride=2, most_dilation=2), min_size=1, max_size=3))
def test_receptive_field_is_the_patch_of_inputs_that_change_one_output(stack):
    stack = [Window(window.kernel, window.stride, "valid", window.dilation) for window in stack]
    for axis, size in enumerate(receptive_field(stack)):
        seen = [index for index in range(size + 3) if first_output_depends_on(stack, axis, size + 3, index)]
        assert (seen[0], seen[-1]) == (0, size - 1)


def first_output_depends_on(stack, axis, n, index):
    """Return True if the first output of a stack of windows depends on input element ``index``.

    The input has n elements, and all weights are one.
    """
    signal = np.zeros(n)
    signal[index] = 1
    for window in stack:
        k, S, D = window.kernel[axis], window.stride[axis], window.dilation[axis]
        outputs = (len(signal) - (k - 1) * D - 1) // S + 1
        signal = np.array([sum(signal[i * S + m * D] for m in range(k)) for i in range(outputs)])
    return signal[0] != 0


def test_receptive_field_grows_with_dilation_and_with_the_strides_of_earlier_layers():
    assert receptive_field([Window((3, 5))]) == (3, 5)
    assert receptive_field([Window((3, 3), dilation=(2, 1)), Window((3, 3))]) == (7, 5)
    assert receptive_field([Window((3, 2), stride=(2, 3)), Window((3, 2))]) == (7, 5)
    assert receptive_field([Window((3,))] * 3) == (7,)  # three 3×3 see what one 7×7 sees
    assert receptive_field([Window((2,), stride=2), Window((4,), stride=3), Window((3,))]) == (1 + 1 + 3 * 2 + 2 * 2 * 3,)


@pytest.mark.parametrize("stack", [[], [Window((3,)), Window((3, 3))]])
def test_receptive_field_refuses_no_windows_and_windows_of_different_ranks(stack):
    with pytest.raises(ValueError, match="windows must contain at least one window, all with the same number of axes"):
        receptive_field(stack)


def test_a_window_is_immutable_and_hashable_and_equal_for_equivalent_arguments():
    window = Window((3, 5), stride=2, padding=(1, 2))
    same = Window([3, np.int64(5)], stride=[2, 2], padding=[(1, 1), (2, 2)], dilation=(1, 1))
    assert window == same
    assert hash(window) == hash(same)
    assert window != Window((5, 3), stride=2, padding=(1, 2))
    assert {window: 1}[same] == 1
    with pytest.raises(AttributeError):
        window.stride = (1, 1)
    assert all(type(k) is int for k in same.kernel)


@pytest.mark.parametrize("padding", ["same", ((1, 2),), 1])
def test_a_signal_is_an_image_one_pixel_high(padding):
    window = Window((3,), 2, padding, 4, ceil_mode=True)
    image = window.with_axis_before()
    assert (image.kernel, image.stride, image.dilation, image.ceil_mode) == ((1, 3), (1, 2), (1, 4), True)
    assert image.pads((1, 20)) == ((0, 0), *window.pads((20,)))
    assert image.output_size((1, 20)) == (1, *window.output_size((20,)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernel": 3}, TypeError, "kernel must be a sequence with one size for each axis.*got 3"),
        ({"kernel": "33"}, TypeError, "kernel must be a sequence with one size for each axis.*got '33'"),
        ({"kernel": None}, TypeError, "kernel must be a sequence with one size for each axis.*got None"),
        ({"kernel": ()}, ValueError, "kernel must have at least one axis"),
        ({"kernel": (3, 0)}, ValueError, r"kernel must be at least 1, got \(3, 0\)"),
        ({"kernel": (3, 2.0)}, TypeError, r"kernel must be integers, got \(3, 2.0\)"),
        ({"kernel": ((3, 3), (3, 3))}, TypeError, "kernel must be integers"),
        ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ({"stride": (2, -1)}, ValueError, r"stride must be at least 1, got \(2, -1\)"),
        ({"stride": 1.5}, TypeError, "stride must be an integer, got 1.5"),
        ({"stride": np.float32(2)}, TypeError, "stride must be an integer"),
        ({"stride": True}, TypeError, "stride must be an integer, got True"),
        ({"stride": (1, True)}, TypeError, "stride must be integers"),
        ({"stride": "2"}, TypeError, "stride must be an integer, got '2'"),
        ({"stride": None}, TypeError, "stride must be an integer, got None"),
        ({"stride": (1, 2, 3)}, ValueError, r"stride must be an integer or 2 integers.*got \(1, 2, 3\)"),
        ({"stride": (2,)}, ValueError, "stride must be an integer or 2 integers"),
        ({"stride": ()}, ValueError, "stride must be an integer or 2 integers"),
        ({"dilation": 0}, ValueError, "dilation must be at least 1, got 0"),
        ({"dilation": 2.5}, TypeError, "dilation must be an integer, got 2.5"),
        ({"dilation": (1, 1, 1)}, ValueError, "dilation must be an integer or 2 integers"),
        ({"padding": "some"}, ValueError, "padding must be 'valid', 'same', 'same_lower', 'full' or integers, got 'some'"),
        ({"padding": "SAME_UPPER"}, ValueError, "padding must be 'valid', 'same'"),
        ({"padding": ""}, ValueError, "padding must be 'valid', 'same'"),
        ({"padding": ("same", "valid")}, (TypeError, ValueError), "padding must be"),
        ({"padding": b"same"}, (TypeError, ValueError), "padding must be"),
        ({"padding": -1}, ValueError, "padding must be at least 0, got -1"),
        ({"padding": 1.0}, TypeError, "padding must be an integer, got 1.0"),
        ({"padding": False}, TypeError, "padding must be an integer, got False"),
        ({"padding": None}, TypeError, "padding must be an integer, got None"),
        ({"padding": ()}, (TypeError, ValueError), "padding must be"),
        ({"padding": (1, 2, 3)}, ValueError, "padding must be an integer or 2 integers"),
        ({"padding": ((1, 2),)}, ValueError, r"padding must be a name, an integer, 2 integers, or 2 \(before, after\) pairs"),
        ({"padding": ((1, 2), 3)}, ValueError, r"2 \(before, after\) pairs"),
        ({"padding": ((1, 2, 3), (1, 2, 3))}, ValueError, r"2 \(before, after\) pairs"),
        ({"padding": ((1, 2), (1, -2))}, ValueError, r"padding must be at least 0, got \(1, -2\)"),
        ({"padding": ((1, 2), (1, 2.0))}, TypeError, "padding must be integers"),
        ({"padding": ((1, 2), (1, (2, 3)))}, TypeError, "padding must be integers"),
    ],
)
def test_errors_of_window_name_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        Window(**{"kernel": (3, 5), **arguments})


@pytest.mark.parametrize("method", ["pads", "output_size", "padded_size"])
@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((7,), r"input_size must have 2 axes like the kernel \(3, 5\), got \(7,\)"),
        ((7, 0), r"input_size must be at least 1, got \(7, 0\)"),
    ],
)
def test_an_input_size_must_fit_the_kernels_axes(method, size, message):
    with pytest.raises(ValueError, match=message):
        getattr(Window((3, 5)), method)(size)


@pytest.mark.parametrize("method", ["pads", "output_size", "padded_size", "transposed_output_size"])
def test_sizes_are_integers_with_one_for_each_axis(method):
    name = "output_size" if method.startswith("transposed") else "input_size"
    look = getattr(Window((2, 3), padding="same"), method)
    for size in ((3.5, 4), (3, "4"), (True, 4), (None, 4)):
        with pytest.raises(TypeError, match=f"{name} must be integers, got {re.escape(repr(size))}"):
            look(size)
    for size in (5, None, "ab"):
        with pytest.raises(ValueError, match=f"{name} must have 2 axes like the kernel .*, got {size!r}"):
            look(size)
    assert look(np.array([4, 5], np.int32)) == look((4, 5))


def test_the_error_about_an_input_smaller_than_the_kernel_shows_all_sizes():
    message = r"span 9 on axis 1, got 4 elements and 1 \+ 2 of padding"
    with pytest.raises(ValueError, match=message):
        Window((3, 5), padding=((0, 0), (1, 2)), dilation=(1, 2)).output_size((3, 4))
    assert Window((3, 5), padding=((0, 0), (2, 3)), dilation=(1, 2)).output_size((3, 4)) == (1, 1)


@given(windows(2))
def test_least_size_is_the_smallest_input_that_is_accepted(window):
    least = least_size(window)
    assert min(window.output_size(least)) >= 1
    for axis, n in enumerate(least):
        if n > 1:
            with pytest.raises(ValueError, match=f"at least as large as the kernel's span .* on axis {axis}"):
                window.output_size(tuple(size - (a == axis) for a, size in enumerate(least)))


def test_the_name_of_a_padding_is_kept_until_the_input_size_is_known():
    assert [Window((4,), padding=name).padding for name in PADDINGS] == ["valid", "same", "same_lower", "full"]


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["valid", "same", "full"])
def test_mode_window_matches_the_modes_of_numpy(mode, kernel):
    n, window = 6, mode_window((kernel,), mode)
    x, w = np.arange(1.0, n + 1), 10.0 ** np.arange(kernel)
    padded = np.pad(x, window.pads((n,))[0])
    y = [padded[i : i + kernel] @ w[::-1] for i in range(*window.output_size((n,)))]
    np.testing.assert_array_equal(y, np.convolve(x, w, mode))


@pytest.mark.parametrize("padding", ["VALID", "SAME", "Same_Lower", "fulL"])
def test_the_case_of_a_padding_does_not_matter(padding):
    assert Window((2, 3), padding=padding) == Window((2, 3), padding=padding.lower())


@pytest.mark.parametrize("mode", ["Same", "same_lower", "", None, 1])
def test_mode_window_refuses_other_modes(mode):
    with pytest.raises(ValueError, match="mode must be 'valid', 'same' or 'full'"):
        mode_window((3,), mode)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Window((3, 3), padding=b"ab"), "padding must be an integer, got b'ab'"),
        (lambda: Window(b"ab"), "kernel must be a sequence with one size for each axis"),
        (lambda: Window(np.array(3)), "kernel must be a sequence with one size for each axis"),
        (lambda: Window((3, 3), stride="22"), "stride must be an integer, got '22'"),
    ],
)
def test_bytes_and_arrays_without_axes_are_refused_as_sequences(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_an_array_without_axes_is_one_number():
    assert Window((3, 5), padding=np.array(2)).padding == ((2, 2), (2, 2))


@pytest.mark.parametrize("value", ["no", 1, 0, None, np.array([1, 0])])
def test_flags_are_true_or_false_and_nothing_else(value):
    with pytest.raises(TypeError, match="ceil_mode must be True or False"):
        Window((2,), ceil_mode=value)
    assert Window((2,), ceil_mode=np.True_).ceil_mode is True


@pytest.mark.parametrize("value", [{1, 2}, {1: 0, 2: 0}, frozenset({1, 2})])
def test_sizes_without_an_order_are_refused(value):
    with pytest.raises(TypeError, match="stride must be an integer"):
        Window((2, 3), stride=value)
