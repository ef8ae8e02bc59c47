"""What max and average pooling refuse alike: a window that somewhere holds nothing but padding."""

import numpy as np
import pytest
from hypothesis import given

from refconv.ops.max_pool import max_pool2d
from strategies import holds_pixels, input_sizes, windows


@given(windows(2, most_dilation=4).flatmap(lambda w: input_sizes(w).map(lambda size: (w, size))))
def test_a_window_is_refused_exactly_if_a_place_of_it_holds_no_pixel(case):
    window, size = case
    x = np.ones((1, *size, 1))
    more = {"stride": window.stride, "padding": window.padding, "dilation": window.dilation}
    if holds_pixels(window, size):
        assert (max_pool2d(x, window.kernel, **more) == 1).all()
    else:
        with pytest.raises(ValueError, match="padding"):
            max_pool2d(x, window.kernel, **more)
