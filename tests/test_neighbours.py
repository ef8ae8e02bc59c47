"""Arrays that lie behind one another are one line; no others are."""

import numpy as np

from refconv import neighbours


def three(dtype=np.float64):
    return neighbours.zeros([np.ones((2, 3), dtype), np.ones(5, dtype), np.ones((1, 2, 2), dtype)])


def lines(*rows):
    return [[array.shape for array in row] for row in neighbours.runs(rows)]


def test_a_run_is_the_arrays_themselves():
    a, b, c = three()
    ((line,),) = neighbours.runs([(a,), (b,), (c,)])
    line[:] = np.arange(15)
    assert (a.ravel().tolist(), b.tolist(), c.ravel().tolist()) == ([*range(6)], [*range(6, 11)], [*range(11, 15)])
    ((line,),) = neighbours.runs([(b,), (c,)])
    line -= 1
    assert (a[0, 0], b[0], c[0, 0, 0]) == (0, 5, 10)


def test_types_have_lines_of_their_own_and_arrays_keep_their_order():
    arrays = [np.ones(2, np.float32), np.ones(3), np.ones((1, 4), np.float32), np.ones(5)]
    made = neighbours.zeros(arrays)
    assert [(a.shape, a.dtype, a.sum()) for a in made] == [(a.shape, a.dtype, 0) for a in arrays]
    assert lines((made[0],), (made[2],), (made[1],), (made[3],)) == [[(6,)], [(8,)]]
    assert lines(*((a,) for a in made)) == [[(2,)], [(3,)], [(1, 4)], [(5,)]]
    assert neighbours.zeros([]) == []
    assert neighbours.runs([]) == []


def test_arrays_that_do_not_follow_one_another_stay_apart():
    a, b, c = three()
    apart = [[(2, 3)], [(5,)]]
    assert lines((a,), (b,)) == [[(11,)]]
    assert lines((a,), (b.copy(),)) == apart
    assert lines((a,), (three()[1],)) == apart
    assert lines((a,), (c,)) == [[(2, 3)], [(1, 2, 2)]]
    assert lines((b,), (a,)) == [[(5,)], [(2, 3)]]
    assert lines((a.T,), (b,)) == [[(3, 2)], [(5,)]]
    assert lines((a,), (b[::-1],)) == apart
    assert lines((a,), (b.view(np.int64),)) == apart
    matrix = np.zeros((4, 6))
    assert lines((matrix[:2],), (matrix[2:],)) == [[(2, 6)], [(2, 6)]]  # a line is cut from one axis
    assert lines((np.zeros(2),), (np.zeros(2),)) == [[(2,)], [(2,)]]  # cut from nothing
    b.flags.writeable = False
    assert lines((a,), (b,)) == apart
    memory = bytearray(80)
    left, right = np.frombuffer(memory, count=4), np.frombuffer(memory, offset=32, count=6)
    assert lines((left[1:],), (right[:5],)) == [[(3,)], [(5,)]]  # cut from two lines, though these are neighbours


def test_all_arrays_of_a_row_must_follow():
    (a, b, c), (f, g, h) = three(), three()
    assert lines((a, f), (b, g), (c, h)) == [[(15,), (15,)]]
    assert lines((a, f), (b, g.copy()), (c, h)) == [[(2, 3), (2, 3)], [(5,), (5,)], [(1, 2, 2), (1, 2, 2)]]
