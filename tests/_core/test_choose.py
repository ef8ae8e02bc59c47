"""Tests of the choice of a convolution algorithm: thresholds, order, and the calls."""

import numpy as np
import pytest

from evidence import assert_same_bits, needs_kernels
from refconv._core import kernels
from refconv._core.conv import choose
from refconv._core.conv.choose import BACKWARD_DW, BACKWARD_DX, FORWARD, Layer
from refconv.geometry import Window
from strategies import problem

WINOGRAD = Layer(Window((3, 3), padding=1), 1, (15, 10), 32, 32, 1, 4)
ONE_CHANNEL = Layer(Window((5, 4), (2, 1)), 3, (32, 28), 1, 6, 1, 4)
DEPTHWISE = Layer(Window((3, 3)), 3, (8, 9), 20, 20, 10, 4)
COLUMNS = Layer(Window((5, 5)), 2, (14, 14), 6, 16, 1, 4)


def first(table, layer):
    return next(name for name, suits in table if suits(layer))


def test_each_algorithm_is_selected_at_its_threshold():
    assert first(FORWARD, WINOGRAD) == first(BACKWARD_DX, WINOGRAD) == "winograd"
    assert first(BACKWARD_DW, WINOGRAD) == "winograd"
    assert first(FORWARD, ONE_CHANNEL) == "one_channel"
    assert {first(table, DEPTHWISE) for table in (FORWARD, BACKWARD_DX, BACKWARD_DW)} == {"depthwise"}
    assert first(BACKWARD_DX, COLUMNS) == "columns"


@pytest.mark.parametrize(
    ("table", "layer", "changes"),
    [
        (FORWARD, WINOGRAD, {"C": 31}),
        (FORWARD, WINOGRAD, {"O": 31}),
        (BACKWARD_DX, WINOGRAD, {"O": 31}),
        (FORWARD, WINOGRAD, {"input_size": (149, 1)}),
        (FORWARD, WINOGRAD, {"images": 0}),
        (FORWARD, WINOGRAD, {"groups": 2}),
        (FORWARD, WINOGRAD, {"window": Window((3, 3), 2)}),
        (FORWARD, WINOGRAD, {"window": Window((3, 3), (1, 2))}),
        (FORWARD, WINOGRAD, {"window": Window((3, 3), dilation=2)}),
        (FORWARD, WINOGRAD, {"window": Window((3, 5))}),
        (BACKWARD_DW, WINOGRAD, {"C": 31}),
        (BACKWARD_DW, WINOGRAD, {"O": 31}),
        (FORWARD, ONE_CHANNEL, {"C": 2}),
        (FORWARD, ONE_CHANNEL, {"images": 0}),
        (FORWARD, ONE_CHANNEL, {"window": Window((5, 4), (1, 2))}),
        (FORWARD, DEPTHWISE, {"groups": 1}),
        (FORWARD, DEPTHWISE, {"O": 40}),
        (FORWARD, DEPTHWISE, {"C": 30, "O": 30}),
        (BACKWARD_DX, COLUMNS, {"C": 7}),
        (BACKWARD_DX, COLUMNS, {"C": 4, "itemsize": 8}),
        (BACKWARD_DX, COLUMNS, {"groups": 2}),
        (BACKWARD_DX, COLUMNS, {"window": Window((1, 1))}),
        (BACKWARD_DX, COLUMNS, {"window": Window((9, 9)), "input_size": (14, 520), "C": 3}),
    ],
)
def test_direct_is_selected_beyond_each_threshold(table, layer, changes):
    assert first(table, layer._replace(**changes)) == "direct"


def test_columns_limits_channels_by_bytes():
    assert first(BACKWARD_DX, COLUMNS._replace(C=3, itemsize=8)) == "columns"


def test_columns_limits_the_products_of_the_shortest_band():
    rows_of_products = 17 * 9 * 9 * 3  # 17 output rows contribute to a band of one stride
    longest = choose.COLUMNS_MOST_PRODUCTS // rows_of_products
    layer = COLUMNS._replace(window=Window((9, 9)), C=3)
    assert first(BACKWARD_DX, layer._replace(input_size=(14, longest + 8))) == "columns"
    assert first(BACKWARD_DX, layer._replace(input_size=(14, longest + 9))) == "direct"


def test_large_tiles_need_many_outputs():
    assert [choose.tile_side(pixels, 4) for pixels in (1023, 1024)] == [2, 4]
    assert choose.tile_side(1024, 2) == 2


@needs_kernels
def test_every_algorithm_in_the_tables_exists():
    for table, algorithms in (
        (FORWARD, kernels.conv.FORWARD),
        (BACKWARD_DX, kernels.conv.BACKWARD_DX),
        (BACKWARD_DW, kernels.conv.BACKWARD_DW),
    ):
        assert [name for name, _ in table] == list(algorithms)


@needs_kernels
@pytest.mark.parametrize("layer", [WINOGRAD, ONE_CHANNEL, DEPTHWISE, COLUMNS])
def test_the_first_algorithm_that_suits_computes_the_result(layer, monkeypatch):
    p = problem(
        layer.input_size,
        layer.window,
        N=layer.images,
        C_g=layer.C // layer.groups,
        O_g=layer.O // layer.groups,
        groups=layer.groups,
        dtype=np.float32,
    )
    calls = {
        "FORWARD": (lambda: kernels.conv.conv2d(p.x, p.w, p.b, p.window, p.groups), (p.w, p.b)),
        "BACKWARD_DX": (lambda: kernels.conv.conv2d_dx(p.dy, p.w, p.size, p.window, p.groups), (p.dy, p.w)),
        "BACKWARD_DW": (lambda: kernels.conv.conv2d_dw(p.x, p.dy, p.window, p.groups), (p.x, p.dy)),
    }
    for name, (call, arrays) in calls.items():
        chosen = first(getattr(choose, name), layer)
        result = getattr(kernels.conv, name)[chosen](layer, *arrays)
        if name == "FORWARD":  # the result is a prepared algorithm
            prepared, result = result, np.empty_like(p.dy)
            prepared(p.x, result)
        assert_same_bits(call(), result)
        monkeypatch.setitem(getattr(kernels.conv, name), chosen, lambda *_: None)
        if chosen != "direct":  # the next algorithm in the table is called
            assert call() is not None
