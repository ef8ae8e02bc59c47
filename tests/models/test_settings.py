"""Tests of the papers' training settings: figures, sources, and names that exist."""

import re

import pytest

from refconv import data, models, nn, optim, training
from refconv.models.published import TRAINING, settings
from refconv.models.published.setting import NOT_STATED

IMAGES = 1.281e6  # training images of ImageNet, from the slide of ResNet
EACH = [(name, topic) for name, paper in TRAINING.items() for topic, _ in paper.settings()]


def setting(name, topic):
    return dict(TRAINING[name].settings())[topic]


@pytest.mark.parametrize(("name", "topic"), EACH)
def test_a_stated_setting_has_a_source_and_any_other_a_note(name, topic):
    """D8: each setting is on a slide, in the paper, or not stated."""
    printed, source, _, note = setting(name, topic)
    assert printed
    assert bool(source) == (printed != NOT_STATED)
    assert note or printed != NOT_STATED


# The numbers on the slides "Training details": batch size, momentum, learning rate, weight decay.
@pytest.mark.parametrize(
    ("name", "batch", "momentum", "lr", "decay"),
    [("alexnet", 128, 0.9, 0.01, 5e-4), ("vgg", 256, 0.9, 0.01, 5e-4), ("resnet", 256, 0.9, 0.1, 1e-4)],
)
def test_numbers_of_the_slides(name, batch, momentum, lr, decay):
    paper = settings(name)
    assert paper.optimizer.value == ("SGD", {"momentum": momentum})
    assert (paper.batch_size.value, paper.learning_rate.value, paper.weight_decay.value) == (batch, lr, decay)


def test_numbers_of_the_slide_of_inception_v3():
    paper = settings("inception-v3")
    assert (paper.batch_size.value, paper.epochs.value, paper.learning_rate.value) == (32, 100, 0.045)
    assert paper.optimizer.value.arguments.items() >= {"momentum": 0.9, "eps": 1.0}.items()
    assert paper.schedule.value == ("exponential", {"factor": 0.94, "every": 2, "epochs": 100})
    assert (paper.clipping.value, paper.loss.value.arguments) == (2.0, {"label_smoothing": 0.1})


def test_bn_x30_has_30_times_the_rate_a_fifth_of_the_decay_and_no_dropout():
    inception, paper = settings("googlenet"), settings("bn-inception")
    assert paper.learning_rate.value == pytest.approx(30 * inception.learning_rate.value)
    assert paper.weight_decay.value == pytest.approx(inception.weight_decay.value / 5)
    assert paper.dropout.value == 0
    assert paper.schedule.value.arguments["factor"] == pytest.approx(
        inception.schedule.value.arguments["factor"] ** 6, abs=5e-5
    )


@pytest.mark.parametrize("topic", ["batch size", "learning rate", "epochs", "weight decay", "clipping"])
@pytest.mark.parametrize("name", TRAINING)
def test_the_value_of_a_stated_number_is_printed_or_noted(name, topic):
    printed, _, value, note = setting(name, topic)
    if printed != NOT_STATED:
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", f"{printed} {note}")]
        assert value in numbers


@pytest.mark.parametrize("name", TRAINING)
def test_the_accuracy_is_100_minus_a_printed_error(name):
    printed, _, value, _ = setting(name, "accuracy")
    number = float(re.match(r"[\d.]+", printed)[0])
    assert value == pytest.approx(100 - number if "error" in printed else number)


@pytest.mark.parametrize(
    ("name", "steps", "batch"), [("googlenet", 31.0e6, 32), ("bn-inception", 6e6, 32), ("resnet", 6e5, 256)]
)
def test_epochs_follow_from_printed_steps(name, steps, batch):
    assert settings(name).epochs.value == round(steps * batch / IMAGES)


@pytest.mark.parametrize("name", TRAINING)
def test_names_and_arguments_are_accepted_by_the_functions_they_name(name):
    paper = settings(name)
    model = models.create(f"{paper.network}-small")
    model.build((32, 32, 3), rng=0)
    optimizer, arguments = paper.optimizer.value
    assert isinstance(getattr(optim, optimizer)(model, 0.1, **arguments), optim.Optimizer)
    schedule, arguments = paper.schedule.value
    assert getattr(optim, schedule)(**arguments)(0.0) == 1
    assert all(callable(getattr(data.augment, step)(**arguments)) for step, arguments in paper.augmentation.value)
    loss, arguments = paper.loss.value
    assert isinstance(getattr(training, loss)(**arguments), training.Loss)
    assert getattr(nn, paper.initialization.value.name) is nn.he_normal  # the default of the layers


@pytest.mark.parametrize("name", TRAINING)
def test_the_dropout_is_the_rate_in_the_network(name):
    paper = settings(name)
    layers = models.create(paper.network).distinct_layers(models.input_shape(paper.network))
    rates = [layer.rate for _, layer, _ in layers if isinstance(layer, nn.Dropout)]
    assert paper.dropout.value == next(iter(rates), 0.0)


def test_schedules_lower_the_rate_as_printed():
    def factors(name, *progress):
        schedule, arguments = settings(name).schedule.value
        return [pytest.approx(getattr(optim, schedule)(**arguments)(p)) for p in progress]

    assert factors("resnet", 0.24, 0.26, 0.51) == [1, 0.1, 0.01]
    assert factors("densenet", 29 / 90, 31 / 90, 61 / 90) == [1, 0.1, 0.01]
    assert factors("inception-v3", 1 / 100, 2 / 100, 5 / 100) == [1, 0.94, 0.94**2]
    assert factors("googlenet", 7 / 774, 8 / 774, 16 / 774) == [1, 0.96, 0.96**2]


def test_mobilenet_does_not_decay_its_depthwise_filters():
    model = models.create("mobilenet-small")
    model.build((32, 32, 3), rng=0)
    _, arguments = settings("mobilenet").optimizer.value
    (pattern,) = arguments["groups"]
    depthwise = {name for name in model.named_parameters() if name.endswith(pattern.removeprefix("*"))}
    assert len(depthwise) == 13  # Table 1 has 13 rows "Conv dw"
    assert all(".depthwise." in name for name in depthwise)
    assert arguments["groups"][pattern] == {"weight_decay": 0.0}


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match=r"name must be 'alexnet', 'vgg', .* or 'mobilenet', got 'lenet'"):
        settings("lenet")
