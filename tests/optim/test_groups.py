"""Groups of parameters: rates and decays by patterns of names."""

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
    """25 parameters: 4 + 2 of the convolution, 2 + 2 of the norm, 12 + 3 of the scores; each gradient has its own number."""
    model = nn.Sequential(conv1=nn.Conv2D(2, (1, 2)), norm=nn.BatchNorm(), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((1, 3, 1), rng=seed, dtype=dtype)
    for k, parameter in enumerate(p for p in model.named_parameters().values() if p.trainable):
        parameter.grad[...] = k + 1
    return model


@engines
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MAKERS)
def test_each_group_moves_like_an_optimizer_of_its_own(name, dtype):
    """Also while a schedule changes the common rate: it scales the rates of all groups alike."""
    together, alone = network(dtype=dtype).named_parameters(), network(dtype=dtype).named_parameters()
    of_all = MAKERS[name](together, lr=0.25, weight_decay=0.0625, groups=GROUPS)
    hyper = {  # first match wins: scores.b is in the group of the biases
        "conv1.w": (0.125, 0.0625),
        "conv1.b": (0.25, 0.0),
        "norm.gamma": (0.25, 0.0625),
        "norm.beta": (0.25, 0.0625),
        "scores.w": (0.5, 0.25),
        "scores.b": (0.25, 0.0),
    }
    own = {n: MAKERS[name]({n: alone[n]}, lr=lr, weight_decay=decay) for n, (lr, decay) in hyper.items()}
    for factor in (1.0, 0.5, 0.125):
        of_all.lr = 0.25 * factor
        of_all.step()
        for n, optimizer in own.items():
            optimizer.lr = hyper[n][0] * factor
            optimizer.step()
    for n in hyper:
        np.testing.assert_array_equal(together[n].value, alone[n].value, err_msg=n)


def test_consecutive_parameters_of_one_group_are_updated_together(monkeypatch):
    sizes, sgd = [], reference.update.sgd
    monkeypatch.setattr(reference.update, "sgd", lambda theta, *more: (sizes.append(theta.size), sgd(theta, *more)))
    from refconv import config

    with config(engine="reference"):
        SGD(network(), lr=0.1, groups={"norm.*": {"lr": 0.2}}).step()
        assert sizes == [6, 4, 15]
        sizes.clear()
        SGD(network(), lr=0.1, groups={"conv1.*": {"lr": 0.2}, "norm.*": {"lr": 0.2}}).step()  # alike, though two patterns
        assert sizes == [10, 15]


def test_the_decay_of_a_group_counts_for_its_biases_too():
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


def test_settings_are_data_for_json_and_hold_all_that_decides_a_step():
    model = network()
    made = {name: make(model, lr=0.25, groups=GROUPS) for name, make in MAKERS.items()}
    for name, optimizer in made.items():
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
def test_a_run_with_groups_continues_exactly_from_its_state(name):
    whole, first = network(), network()
    for model, steps in ((whole, 4), (first, 2)):
        optimizer = MAKERS[name](model, lr=0.25, groups=GROUPS)
        for _ in range(steps):
            optimizer.step()
    second = copy.deepcopy(first)
    after = MAKERS[name](second, lr=0.25, groups=GROUPS)
    after.restore({key: a.copy() for key, a in optimizer.state().items()})
    for _ in range(2):
        after.step()
    for key, parameter in whole.named_parameters().items():
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
        ({"*.bias": {"lr": 1.0}}, ValueError, r"groups must have patterns .* got '\*.bias' for the names conv.w, conv.b"),
        ({"*": {"lr": 1.0}, "*.b": {"lr": 2.0}}, ValueError, r"which no earlier pattern matches, got '\*.b'"),
        ({"CONV.w": {"lr": 1.0}}, ValueError, "got 'CONV.w'"),
        ({"*.b": {"rate": 1.0}}, ValueError, r"groups\['\*.b'\] must set lr or weight_decay, got {'rate': 1.0}"),
        ({"*.b": {}}, ValueError, r"groups\['\*.b'\] must set lr or weight_decay, got {}"),
        ({"*.b": {"lr": -1.0}}, ValueError, r"lr of '\*.b' must be at least 0, got -1.0"),
        ({"*.b": {"weight_decay": "0"}}, TypeError, r"weight_decay of '\*.b' must be a number, got '0'"),
        ({"*.b": 0.0}, TypeError, "groups must be a dict from patterns of names to dicts of options"),
        ([{"params": "*.b", "lr": 0.0}], TypeError, "groups must be a dict from patterns of names to dicts of options"),
    ],
)
def test_groups_that_do_not_fit_are_refused_by_name(groups, error, message):
    with pytest.raises(error, match=message):
        SGD(W, lr=0.1, groups=groups)


def test_the_rate_of_a_group_needs_a_common_rate_to_scale_with():
    with pytest.raises(ValueError, match="lr must be above 0 if a group has its own learning rate, got 0"):
        SGD(W, lr=0.0, groups={"*.b": {"lr": 1.0}})
