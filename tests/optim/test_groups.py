"""Tests of parameter groups: learning rates and weight decays by patterns of names."""

import copy
import json
import pickle

import numpy as np
import pytest

from evidence import engines
from refconv import nn, reference
from refconv.nn import Parameter
from refconv.optim import SGD, Adam, AdamW, RMSProp

GROUPS = {"*.b": {"weight_decay": 0.0}, "scores.*": {"lr": 0.5, "weight_decay": 0.25}, "conv?.w": {"lr": 0.125}}
MAKERS = {
    "sgd": lambda p, **more: SGD(p, momentum=0.5, **more),
    "nesterov": lambda p, **more: SGD(p, momentum=0.5, nesterov=True, **more),
    "rmsprop": lambda p, **more: RMSProp(p, momentum=0.5, eps=0.5, **more),
    "adam": lambda p, **more: Adam(p, eps=0.5, **more),
    "adamw": lambda p, **more: AdamW(p, eps=0.5, **more),
}


def network(seed=0, dtype=np.float64):
    """Return a network of 25 weights with a different number in each gradient.

    The convolution has 4 + 2 weights, the normalisation 2 + 2, and the dense layer 12 + 3.
    """
    model = nn.Sequential(conv1=nn.Conv2D(2, (1, 2)), norm=nn.BatchNorm(), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((1, 3, 1), rng=seed, dtype=dtype)
    for k, parameter in enumerate(p for p in model.named_parameters().values() if p.trainable):
        parameter.grad[...] = k + 1
    return model


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MAKERS)
def test_each_group_is_updated_like_a_separate_optimizer(name, dtype):
    """Check also that a schedule, which changes the common rate, scales the rates of all groups."""
    grouped, separate = network(dtype=dtype).named_parameters(), network(dtype=dtype).named_parameters()
    common = MAKERS[name](grouped, lr=0.25, weight_decay=0.0625, groups=GROUPS)
    hyperparameters = {  # the first matching pattern applies, so scores.b is in the group of the biases
        "conv1.w": (0.125, 0.0625),
        "conv1.b": (0.25, 0.0),
        "norm.gamma": (0.25, 0.0625),
        "norm.beta": (0.25, 0.0625),
        "scores.w": (0.5, 0.25),
        "scores.b": (0.25, 0.0),
    }
    own = {n: MAKERS[name]({n: separate[n]}, lr=lr, weight_decay=decay) for n, (lr, decay) in hyperparameters.items()}
    for factor in (1.0, 0.5, 0.125):
        common.lr = 0.25 * factor
        common.step()
        for n, optimizer in own.items():
            optimizer.lr = hyperparameters[n][0] * factor
            optimizer.step()
    for n in hyperparameters:
        np.testing.assert_array_equal(grouped[n].value, separate[n].value, err_msg=n)


def test_consecutive_parameters_of_one_group_are_updated_together(monkeypatch):
    sizes, sgd = [], reference.update.sgd
    monkeypatch.setattr(reference.update, "sgd", lambda theta, *more: (sizes.append(theta.size), sgd(theta, *more)))
    from refconv import config

    with config(engine="reference"):
        SGD(network(), lr=0.1, groups={"norm.*": {"lr": 0.2}}).step()
        assert sizes == [6, 4, 15]
        sizes.clear()
        SGD(
            network(), lr=0.1, groups={"conv1.*": {"lr": 0.2}, "norm.*": {"lr": 0.2}}
        ).step()  # both patterns have equal options
        assert sizes == [10, 15]


def test_the_decay_of_a_group_applies_also_to_its_biases():
    model = network()
    parameters = model.named_parameters()
    before = {name: p.value.copy() for name, p in parameters.items()}
    for parameter in parameters.values():
        if parameter.grad is not None:
            parameter.grad[...] = 0
    SGD(model, lr=1.0, weight_decay=0.5, decayed="weights", groups={"norm.gamma": {"weight_decay": 0.25}}).step()
    factors = dict.fromkeys(("conv1.w", "scores.w"), 0.5) | {"norm.gamma": 0.75}
    for name, parameter in parameters.items():
        np.testing.assert_allclose(parameter.value, before[name] * factors.get(name, 1.0), rtol=1e-15, err_msg=name)


def test_settings_can_be_stored_as_json_and_contain_all_hyperparameters():
    model = network()
    optimizers = {name: make(model, lr=0.25, groups=GROUPS) for name, make in MAKERS.items()}
    for name, optimizer in optimizers.items():
        settings = optimizer.settings()
        assert json.loads(json.dumps(settings)) == settings, name
        assert settings["groups"] == [
            {"names": "*.b", "weight_decay": 0.0},
            {"names": "scores.*", "lr": 0.5, "weight_decay": 0.25},
            {"names": "conv?.w", "lr": 0.125},
        ]
    changes = {
        "sgd": {"lr": 0.5, "momentum": 0.25, "nesterov": True, "weight_decay": 0.5, "decayed": "weights"},
        "rmsprop": {"rho": 0.5, "momentum": 0.25, "eps": 0.25, "eps_inside_sqrt": False},
        "adam": {"beta1": 0.5, "beta2": 0.5, "eps": 0.25},
        "adamw": {"beta1": 0.5, "beta2": 0.5, "eps": 0.25, "weight_decay": 0.5},
    }
    kinds = {"sgd": SGD, "rmsprop": RMSProp, "adam": Adam, "adamw": AdamW}
    for name, options in changes.items():
        plain = kinds[name](model, lr=0.25).settings()
        for option, value in options.items():
            changed = kinds[name](model, **{"lr": 0.25, option: value}).settings()
            assert {key for key in plain if changed[key] != plain[key]} == {option}


@pytest.mark.parametrize("name", MAKERS)
def test_a_run_with_groups_continues_from_its_state_with_the_same_bits(name):
    uninterrupted, first = network(), network()
    for model, steps in ((uninterrupted, 4), (first, 2)):
        optimizer = MAKERS[name](model, lr=0.25, groups=GROUPS)
        for _ in range(steps):
            optimizer.step()
    second = copy.deepcopy(first)
    after = MAKERS[name](second, lr=0.25, groups=GROUPS)
    after.restore({key: a.copy() for key, a in optimizer.state().items()})
    for _ in range(2):
        after.step()
    for key, parameter in uninterrupted.named_parameters().items():
        assert parameter.value.tobytes() == second.named_parameters()[key].value.tobytes()


def test_a_copy_keeps_its_groups():
    model = network()
    optimizer = SGD(model, lr=0.25, groups=GROUPS)
    optimizer.lr = 0.125
    for copied in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        other_model, other = copied((model, optimizer))
        before = {name: p.value.copy() for name, p in other_model.named_parameters().items()}
        other.step()
        moved = other_model.named_parameters()["scores.w"]
        np.testing.assert_allclose(moved.value, before["scores.w"] - 0.25 * (5 + 0.25 * before["scores.w"]), rtol=1e-14)


W = {"conv.w": Parameter(np.ones((2, 3))), "conv.b": Parameter(np.ones(3))}


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (
            {"*.bias": {"lr": 1.0}},
            ValueError,
            r"each pattern in groups must match .* got '\*.bias' for the names conv.w, conv.b",
        ),
        ({"*": {"lr": 1.0}, "*.b": {"lr": 2.0}}, ValueError, r"that no earlier pattern matches, got '\*.b'"),
        ({"CONV.w": {"lr": 1.0}}, ValueError, "got 'CONV.w'"),
        ({"*.b": {"rate": 1.0}}, ValueError, r"groups\['\*.b'\] must set lr or weight_decay, got {'rate': 1.0}"),
        ({"*.b": {}}, ValueError, r"groups\['\*.b'\] must set lr or weight_decay, got {}"),
        ({"*.b": {"lr": -1.0}}, ValueError, r"lr of '\*.b' must be at least 0, got -1.0"),
        ({"*.b": {"weight_decay": "0"}}, TypeError, r"weight_decay of '\*.b' must be a number, got '0'"),
        ({"*.b": 0.0}, TypeError, "groups must be a dict from patterns of names to dicts of options"),
        ([{"params": "*.b", "lr": 0.0}], TypeError, "groups must be a dict from patterns of names to dicts of options"),
    ],
)
def test_invalid_groups_are_refused_by_name(groups, error, message):
    with pytest.raises(error, match=message):
        SGD(W, lr=0.1, groups=groups)


def test_the_rate_of_a_group_requires_a_common_rate_above_zero():
    with pytest.raises(ValueError, match="lr must be above 0 if a group has its own learning rate, got 0"):
        SGD(W, lr=0.0, groups={"*.b": {"lr": 1.0}})
