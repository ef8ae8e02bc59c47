"""The summary counts what building would make, without making it."""

import pytest

from refconv import models, nn
from refconv.nn.summary import rows


def test_rows_have_a_line_for_each_innermost_layer_under_its_full_name():
    model = nn.Sequential(stem=nn.Conv2D(4, 3), block=nn.Sum(nn.Sequential(a=nn.Conv2D(4, 1), b=nn.ReLU()), nn.Identity()))
    table = rows(model, (7, 6, 2))
    assert [row.name for row in table] == ["stem", "block.0.a", "block.0.b", "block.1"]
    assert [row.output for row in table] == [(5, 4, 4)] * 4
    assert [row.parameters for row in table] == [3 * 3 * 2 * 4 + 4, 4 * 4 + 4, 0, 0]
    assert [row.multiply_adds for row in table] == [5 * 4 * 4 * 18, 5 * 4 * 4 * 4, 0, 0]


def test_a_shared_layer_counts_its_parameters_once_and_its_work_twice():
    shared = nn.Dense(3)
    table = rows(nn.Sequential(shared, shared), (3,))
    assert [row.parameters for row in table] == [12, 0]
    assert [row.multiply_adds for row in table] == [9, 9]


def test_lenet_printed_as_a_table(capsys):
    nn.summary(models.lenet(), (32, 32, 1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "layer", "output", "parameters", "multiply-adds"]
    assert lines[3].split() == ["conv1", "Conv2D(6,", "5×5)", "28", "×", "28", "×", "6", "156", "117,600"]
    # 117,600 + 240,000 + 48,000 + 10,080 + 840
    assert lines[-1].split() == ["total", "61,706", "416,520"]
    assert len({len(line) for line in lines[1:2] + lines[-2:-1]}) == 1


def test_an_input_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least as large as the kernel"):
        nn.summary(models.lenet(), (4, 32, 1))
