"""Tests of the summary: it counts parameters and work without building the network."""

import re

import pytest

import refconv
from refconv import models, nn
from refconv.analysis.summary import rows, stages
from refconv.nn.description import short_name


def test_rows_contains_each_innermost_layer_with_its_dotted_name():
    model = nn.Sequential(stem=nn.Conv2D(4, 3), block=nn.Sum(nn.Sequential(a=nn.Conv2D(4, 1), b=nn.ReLU()), nn.Identity()))
    table = rows(model, (7, 6, 2))
    assert [row.name for row in table] == ["stem", "block.0.a", "block.0.b", "block.1"]
    assert [row.output for row in table] == [(5, 4, 4)] * 4
    assert [row.parameters for row in table] == [3 * 3 * 2 * 4 + 4, 4 * 4 + 4, 0, 0]
    assert [row.multiply_adds for row in table] == [5 * 4 * 4 * 18, 5 * 4 * 4 * 4, 0, 0]


def test_a_shared_layer_counts_its_parameters_once_and_its_multiply_adds_twice():
    shared = nn.Dense(3)
    table = rows(nn.Sequential(shared, shared), (3,))
    assert [row.parameters for row in table] == [12, 0]
    assert [row.multiply_adds for row in table] == [9, 9]


def test_the_summary_of_lenet_is_a_table(capsys):
    refconv.summary(models.lenet(), (32, 32, 1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "layer", "output", "parameters", "multiply-adds"]
    assert lines[3].split() == ["conv1", "Conv2D(6,", "5×5)", "28", "×", "28", "×", "6", "156", "117,600"]
    # The multiply-adds are 117,600 + 240,000 + 48,000 + 10,080 + 840.
    assert lines[-3].split() == ["total", "61,706", "416,520"]
    assert len({len(line) for line in lines[1:2] + lines[-4:-3]}) == 1


def total(capsys, model, shape, line="total"):
    """Return the numbers in a line below the table.

    These are the parameters, the untrained parameters if there are any, and the multiply-adds.
    """
    refconv.summary(model, shape, depth=1)
    printed = capsys.readouterr().out
    return [int(n) for n in re.search(rf"^{line} +([\d, ]+)$", printed, re.M)[1].replace(",", "").split()]


@pytest.mark.parametrize(
    ("name", "style", "torchvision"),  # numbers of parameters in torchvision's documentation
    [
        ("alexnet", {"style": "single-tower"}, 61_100_840),
        ("vgg16", {}, 138_357_544),
        ("resnet18", {}, 11_689_512),
        ("resnet50", {}, 25_557_032),
        ("resnext50_32x4d", {}, 25_028_904),
        ("wide_resnet50_2", {}, 68_883_240),
        ("densenet121", {}, 7_978_856),
        ("googlenet", {"style": "torchvision"}, 6_624_904),
        ("inception_v3", {}, 23_834_568),
    ],
)
def test_numbers_of_parameters_match_torchvision(capsys, name, style, torchvision):
    assert total(capsys, models.create(name, **style), models.input_shape(name))[0] == torchvision


def test_running_averages_and_heads_are_counted_separately(capsys):
    bn = nn.Sequential(nn.Conv2D(4, 3, bias=False), nn.BatchNorm())
    assert total(capsys, bn, (7, 6, 2)) == [72 + 8, 8, 5 * 4 * 72]
    heads = nn.Heads(nn.Sequential(a=nn.Dense(5), b=nn.Dense(3)), a=nn.Sequential(nn.Dense(2), nn.BatchNorm()))
    assert total(capsys, heads, (4,)) == [25 + 18, 0, 20 + 15]
    assert total(capsys, heads, (4,), "only in training") == [12 + 4, 4, 10]
    assert [row.name for row in rows(heads, (4,)) if row.training_only] == ["head_a.0", "head_a.1"]
    nested = nn.Sequential(heads, nn.Dense(6))
    assert [row.name for row in stages(nested, (4,), 1) if row.training_only] == ["0.head_a"]
    google, shape = models.create("googlenet", style="torchvision"), models.input_shape("googlenet")
    assert total(capsys, google, shape, "only in training")[0] == 13_004_888 - 6_624_904


def test_long_names_show_repeated_parts_once(capsys):
    unet, shape = models.unet(), (572, 572, 1)
    refconv.summary(unet, shape, depth=1)
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith(("u", "("))]
    assert len(set(names)) == len(names) == len(stages(unet, shape)) - 1
    assert max(map(len, names)) <= 30
    assert (
        short_name("hourglass.join.through.inner.join.through.inner.down.conv") == "hourglass.(join.through.inner)×2.down.conv"
    )
    assert short_name("u.join.below.u.join.below.up") == "u.join.below.u.join.below.up"  # short enough
    assert short_name("a_long_name_without_any_repetition.conv1") == "a_long_name_without_any_repetition.conv1"


def test_a_model_prints_its_own_summary(capsys):
    model = nn.Sequential(conv=nn.Conv2D(6, (5, 3)), pool=nn.MaxPool2D(2))
    with pytest.raises(RuntimeError, match=r"is not built: call summary with its input_shape, or build"):
        model.summary()
    model.summary((9, 8, 2), depth=1)
    refconv.summary(model, (9, 8, 2), depth=1)
    printed = capsys.readouterr().out
    assert printed[: len(printed) // 2] * 2 == printed
    model.build((9, 8, 2))
    refconv.summary(model)
    assert "9 × 8 × 2" in capsys.readouterr().out
    model.summary(form="csv")
    assert 'conv,"Conv2D(6, 5×3)",5×6×6,186,0,5400' in capsys.readouterr().out


def test_an_input_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="at least as large as the kernel"):
        refconv.summary(models.lenet(), (4, 32, 1))


def test_stages_have_receptive_fields_and_containers_show_their_number_of_layers():
    block = nn.Sum(nn.Sequential(nn.Conv2D(4, 3, padding=1), nn.ReLU()), nn.Identity())
    model = nn.Sequential(stem=nn.Conv2D(4, 3, stride=2), block=block, mean=nn.GlobalAvgPool2D(), scores=nn.Dense(5))
    table = stages(model, (15, 13, 3))
    assert [row.name for row in table] == ["stem", "block", "mean", "scores"]
    assert [row.receptive_field for row in table] == [(3, 3), (7, 7), None, None]
    assert table[1].layer == "Sum, 3 layers"
    assert table[1].parameters == 3 * 3 * 4 * 4 + 4
    assert [row.name for row in stages(model, (15, 13, 3), 2)] == ["stem", "block.0", "block.1", "mean", "scores"]
    innermost = rows(model, (15, 13, 3))
    for column in ("parameters", "multiply_adds"):
        assert sum(getattr(r, column) for r in innermost) == sum(getattr(r, column) for r in table)


def test_stages_include_the_layers_of_heads_and_levels():
    google = stages(models.create("googlenet"), (224, 224, 3))
    fields = {row.name: row.receptive_field for row in google}
    assert fields["trunk.conv2"] == (19, 19)
    assert fields["trunk.inception4a"] == (171, 171)
    assert list(fields)[-2:] == ["head_inception4a", "head_inception4d"]
    assert [r.output for r in google[-2:]] == [(1000,)] * 2
    levels = stages(models.create("unet"), (572, 572, 1))
    assert levels[0].name == "u.down"
    assert [r.receptive_field for r in levels if r.name.endswith("below.u")] == [(140, 140)]
    assert levels[-1].receptive_field == (188, 188)


def test_the_receptive_field_of_a_head_includes_the_layers_before_it():
    model = nn.Heads(nn.Sequential(a=nn.Conv2D(2, 3), b=nn.Conv2D(2, 5), c=nn.Conv2D(1, 1)), b=nn.Conv2D(4, 3))
    table = stages(model, (14, 12, 3))
    assert [(r.name, r.receptive_field) for r in table[-2:]] == [("trunk.c", (7, 7)), ("head_b", (9, 9))]


def test_a_shared_layer_counts_once_in_stages():
    shared = nn.Dense(3)
    assert [r.parameters for r in stages(nn.Sequential(nn.Sequential(shared), shared), (3,))] == [12, 0]


def test_the_summary_is_printed_as_markdown_or_csv(capsys):
    model = nn.Sequential(conv=nn.Conv2D(6, (5, 3)), flat=nn.Flatten())
    refconv.summary(model, (9, 8, 2), depth=1, form="markdown")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| name | layer | output | parameters | multiply-adds | receptive field |"
    assert lines[3] == "| conv | Conv2D(6, 5×3) | 5 × 6 × 6 | 186 | 5,400 | 5 × 3 |"
    refconv.summary(model, (9, 8, 2), depth=1, form="csv")
    assert capsys.readouterr().out.splitlines() == [
        "name,layer,output,parameters,not trained,multiply-adds,receptive field",
        'conv,"Conv2D(6, 5×3)",5×6×6,186,0,5400,5×3',
        "flat,Flatten(),180,0,0,0,",
    ]
    refconv.summary(model, (9, 8, 2), form="csv")
    assert capsys.readouterr().out.splitlines()[0] == "name,layer,output,parameters,not trained,multiply-adds"
    with pytest.raises(ValueError, match="form must be 'text', 'markdown', 'csv' or 'json', got 'html'"):
        refconv.summary(model, (9, 8, 2), form="html")


def test_memory_is_printed_in_a_unit_in_which_it_is_not_zero(capsys):
    refconv.summary(nn.Sequential(nn.Conv2D(64, 3, padding=1), nn.ReLU()), (256, 256, 4))
    assert capsys.readouterr().out.splitlines()[-1] == (
        "memory in float32: parameters 9.2 KiB; activations of one input 32.0 MiB in training, 32.0 MiB at once in inference"
    )
    refconv.summary(nn.Dense(2), (3,))
    assert "parameters 32 bytes; activations of one input 8 bytes in training, 20 bytes" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_stages_of_every_model_sum_to_the_total(name):
    model, shape = models.create(name), models.input_shape(name)
    table = stages(model, shape)
    assert sum(row.parameters for row in table) == model.count_parameters(shape, trainable_only=True)
    assert sum(row.parameters + row.untrained for row in table) == model.count_parameters(shape)
    assert sum(row.multiply_adds for row in table) == model.multiply_adds(shape)
    assert len(table) >= 5


def test_frozen_parameters_are_listed_as_not_trained():
    model = nn.Sequential(conv=nn.Conv2D(4, (3, 2)), norm=nn.BatchNorm(), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((5, 4, 2), rng=0)
    weights = 3 * 2 * 2 * 4 + 4, 4 + 4, 3 * 3 * 4 * 3 + 3
    assert [(row.parameters, row.untrained) for row in rows(model, (5, 4, 2))] == [
        (weights[0], 0),
        (weights[1], 8),
        (0, 0),
        (weights[2], 0),
    ]
    model[:2].freeze()
    assert [(row.parameters, row.untrained) for row in rows(model, (5, 4, 2))] == [
        (0, weights[0]),
        (0, weights[1] + 8),
        (0, 0),
        (weights[2], 0),
    ]
    assert model.count_parameters((5, 4, 2), trainable_only=True) == weights[2]
    model["norm"].unfreeze().parameters["gamma"].frozen = True  # a single parameter
    assert model.count_parameters((5, 4, 2), trainable_only=True) == weights[2] + 4
