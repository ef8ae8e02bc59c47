"""Tests of optimisers: updates, state, refusals, and consecutive parameters in one pass."""

import copy
import pickle

import numpy as np
import pytest

import refconv
from refconv import config, nn, reference
from refconv.nn import Parameter
from refconv.optim import SGD, Adam, AdamW, RMSProp


def test_three_steps_of_sgd_match_the_formula_of_the_lectures():
    """A12: SGD has momentum and weight decay."""
    # v ← 0.9·v − α·∂L/∂θ − 0.0005·α·θ ;  θ ← θ + v   (A12), with α = 0.01
    alpha, gradients = 0.01, [2.0, -1.0, 0.5]
    theta, v = 3.0, 0.0
    parameter = Parameter(np.array([theta]))
    optimizer = SGD({"theta": parameter}, lr=alpha, momentum=0.9, weight_decay=0.0005)
    for gradient in gradients:
        v = 0.9 * v - alpha * gradient - 0.0005 * alpha * theta
        theta = theta + v
        parameter.grad[...] = gradient
        optimizer.step()
        assert parameter.value[0] == pytest.approx(theta, rel=1e-14)
    assert parameter.value[0] == pytest.approx(2.9597161803595, rel=1e-12)


def test_a_new_learning_rate_applies_to_new_gradients_and_not_to_the_velocity():
    parameter = Parameter(np.array([0.0]))
    optimizer = SGD({"theta": parameter}, lr=1.0, momentum=0.5)
    parameter.grad[...] = 1.0
    optimizer.step()  # v = −1
    optimizer.lr = 0.1
    optimizer.step()  # v = −0.5 − 0.1
    assert parameter.value[0] == pytest.approx(-1.6)


def test_a_step_updates_arrays_in_place_and_skips_untrainable_parameters():
    trained = Parameter(np.ones(3, np.float32))
    average = Parameter(np.full(2, 0.3, np.float32), trainable=False)
    array = trained.value
    trained.grad[...] = [1, 2, 3]
    SGD({"w": trained, "mean": average}, lr=np.float64(0.1), momentum=0.9, weight_decay=0.1).step()
    assert trained.value is array
    assert array.dtype == np.float32
    np.testing.assert_allclose(array, [0.89, 0.79, 0.69], rtol=1e-6)
    assert (average.value == np.float32(0.3)).all()


def test_gradients_are_not_changed():
    parameter = Parameter(np.ones(2))
    parameter.grad[...] = [0.25, -4]
    SGD({"w": parameter}, lr=0.1, momentum=0.9, weight_decay=0.1).step()
    assert parameter.grad.tolist() == [0.25, -4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": -0.1}, "lr must be at least 0"),
        ({"lr": float("nan")}, "lr must be finite, got nan"),
        ({"lr": 0.1, "momentum": 1.0}, "momentum must be at least 0 and below 1, got 1.0"),
        ({"lr": 0.1, "weight_decay": -1}, "weight_decay must be at least 0"),
        ({"lr": "x"}, "lr must be a number, got 'x'"),
        ({"lr": True}, "lr must be a number, got True"),
        ({"lr": None}, "lr must be a number, got None"),
        ({"lr": 0.1, "momentum": "0.9"}, "momentum must be a number, got '0.9'"),
        ({"lr": 0.1, "decayed": "biases"}, "decayed must be 'all' or 'weights', got 'biases'"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        SGD({"w": Parameter(np.ones(2))}, **arguments)


@pytest.mark.parametrize("kind", [RMSProp, Adam, AdamW])
def test_an_eps_of_zero_is_refused(kind):
    with pytest.raises(ValueError, match=r"eps must be above 0, got 0.0"):
        kind({"w": Parameter(np.ones(2))}, lr=0.1, eps=0.0)
    parameter = Parameter(np.array([2.0, -3.0]))
    kind({"w": parameter}, lr=0.1, eps=1e-8, weight_decay=0.0).step()  # all gradients are zero
    assert parameter.value.tolist() == [2.0, -3.0]


@pytest.mark.parametrize("model", ["x", None, [Parameter(np.ones(2))], {"w": np.ones(2)}])
def test_an_argument_without_parameters_is_refused(model):
    with pytest.raises(TypeError, match="model must be a built layer or a dict of named parameters, got"):
        SGD(model, lr=0.1)


def test_a_model_without_a_trainable_parameter_is_refused():
    model = nn.Sequential(nn.Dense(3), nn.BatchNorm())
    with pytest.raises(RuntimeError, match="has no parameters yet: call build"):
        SGD(model, lr=0.1)
    model.build((2,), rng=0)
    model.freeze()
    for empty in (model, {}, model.parameters):  # the container itself has no parameters
        with pytest.raises(ValueError, match="model must have at least one trainable parameter, got none in"):
            SGD(empty, lr=0.1)


@pytest.mark.parametrize("kind", [SGD, RMSProp, Adam, AdamW])
def test_an_optimizer_of_another_model_or_of_an_earlier_build_is_refused(kind):
    model, other = (nn.Sequential(body=nn.Dense(4), norm=nn.BatchNorm(), scores=nn.Dense(3)) for _ in range(2))
    for network in (model, other):
        network.build((2,), rng=0)
    optimizer, head_optimizer = kind(model, lr=0.1), kind(model["scores"], lr=0.1)
    optimizer.check_model(model)
    head_optimizer.check_model(model)
    message = r"optimizer must be made for the parameters of model, got parameters of another model or an earlier build"
    for wrong in (other, model["scores"], copy.deepcopy(model)):
        with pytest.raises(ValueError, match=message):
            optimizer.check_model(wrong)
    model.build((5,), rng=0)
    for outdated in (optimizer, head_optimizer):
        with pytest.raises(ValueError, match=message):
            outdated.check_model(model)
    kind(model, lr=0.1).check_model(model)


def test_three_steps_of_rmsprop_match_the_formula_of_the_lectures():
    """A20: RMSProp has momentum 0.9 and ε = 1.0, inside or outside the root."""
    alpha, rho, mu, eps, gradients = 0.045, 0.9, 0.9, 1.0, [2.0, -1.0, 0.5]
    for inside in (True, False):
        parameter = Parameter(np.array([3.0]))
        optimizer = RMSProp({"theta": parameter}, lr=alpha, momentum=mu, eps=eps, eps_inside_sqrt=inside)
        theta, s, v = 3.0, 0.0, 0.0
        for gradient in gradients:
            s = rho * s + (1 - rho) * gradient**2
            v = mu * v - alpha * gradient / ((s + eps) ** 0.5 if inside else s**0.5 + eps)
            theta = theta + v
            parameter.grad[...] = gradient
            optimizer.step()
            assert parameter.value[0] == pytest.approx(theta, rel=1e-14)


OTHERS = {
    "sgd": (
        lambda p: SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
        lambda torch, p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
    ),
    "nesterov": (
        lambda p: SGD(p, 0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
        lambda torch, p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.01, nesterov=True),
    ),
    "rmsprop": (
        lambda p: RMSProp(p, 0.05, rho=0.8, momentum=0.7, eps=0.1, eps_inside_sqrt=False, weight_decay=0.01),
        lambda torch, p: torch.optim.RMSprop(p, 0.05, alpha=0.8, momentum=0.7, eps=0.1, weight_decay=0.01),
    ),
    "adam": (
        lambda p: Adam(p, 0.05, beta1=0.8, beta2=0.95, eps=0.01, weight_decay=0.01),
        lambda torch, p: torch.optim.Adam(p, 0.05, betas=(0.8, 0.95), eps=0.01, weight_decay=0.01),
    ),
    "adamw": (
        lambda p: AdamW(p, 0.05, beta1=0.8, beta2=0.95, eps=0.01, weight_decay=0.3),
        lambda torch, p: torch.optim.AdamW(p, 0.05, betas=(0.8, 0.95), eps=0.01, weight_decay=0.3),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_five_steps_match_pytorch_at_a_constant_learning_rate(name, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    value = rng.standard_normal((3, 5)).astype(dtype)
    ours, theirs = Parameter(value.copy()), torch.tensor(value)
    make, make_theirs = OTHERS[name]
    optimizer, other = make({"w": ours}), make_theirs(torch, [theirs.requires_grad_()])
    for _ in range(5):
        gradient = rng.standard_normal((3, 5)).astype(dtype)
        ours.grad[...], theirs.grad = gradient, torch.tensor(gradient)
        optimizer.step()
        other.step()
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(ours.value, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make", [ours for ours, _ in OTHERS.values()])
def test_a_run_that_resumes_from_the_state_matches_an_uninterrupted_run(make):
    gradients = np.random.default_rng(0).standard_normal((4, 3, 5))

    def run(parameter, optimizer, chosen):
        for gradient in chosen:
            parameter.grad[...] = gradient
            optimizer.step()

    uninterrupted, first, second = (Parameter(np.ones((3, 5))) for _ in range(3))
    run(uninterrupted, make({"w": uninterrupted}), gradients)
    before = make({"w": first})
    run(first, before, gradients[:2])
    state = {name: a.copy() for name, a in before.state().items()}
    second.value[...] = first.value
    after = make({"w": second})
    after.restore(state)
    run(second, after, gradients[2:])
    assert second.value.tobytes() == uninterrupted.value.tobytes()
    with pytest.raises(ValueError, match="for the same parameters"):
        make({"v": second}).restore(state)
    narrow = {name: a.astype(np.float32) if name != "steps" else a for name, a in state.items()}
    with pytest.raises(ValueError, match="for the same parameters"):
        after.restore(narrow)


def test_weight_decay_may_exclude_biases_and_batch_normalisation():
    def after_a_step(decayed):
        model = nn.Sequential(nn.Conv2D(2, 3), nn.BatchNorm(), nn.Flatten(), nn.Dense(3))
        model.build((4, 5, 1), rng=0, dtype=np.float64)
        parameters = {name: p for name, p in model.named_parameters().items() if p.trainable}
        for p in parameters.values():
            p.value[...] = 2.0
        SGD(parameters, lr=0.5, weight_decay=0.25, decayed=decayed).step()
        return {name: float(p.value.flat[0]) for name, p in parameters.items()}

    assert set(after_a_step("all").values()) == {1.75}
    names = {"0.w": 1.75, "0.b": 2, "1.gamma": 2, "1.beta": 2, "3.w": 1.75, "3.b": 2}
    assert after_a_step("weights") == names


def test_a_value_that_is_not_contiguous_is_refused():
    parameter = Parameter(np.ones((3, 5)))
    optimizer = SGD({"w": parameter}, lr=0.1)
    parameter.replace_array(np.ones((5, 3)).T)
    with pytest.raises(ValueError, match="the value of w must be C-contiguous"):
        optimizer.step()


class Calls:
    """Record of the number of elements in each call of the update of the loops."""

    def __init__(self, monkeypatch):
        self.sizes, sgd = [], reference.update.sgd
        monkeypatch.setattr(reference.update, "sgd", lambda theta, *more: (self.sizes.append(theta.size), sgd(theta, *more)))

    def of(self, optimizer):
        self.sizes.clear()
        with config(engine="reference"):
            optimizer.step()
        return self.sizes


def move_out(parameter):
    """Give a parameter its own arrays, with the same contents."""
    gradient = parameter.grad
    parameter.replace_array(parameter.value.copy())
    if gradient is not None:
        parameter.grad = gradient


def small_network(seed=0):
    model = nn.Sequential(conv=nn.Conv2D(2, (1, 2)), norm=nn.BatchNorm(), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((1, 3, 1), rng=seed)
    for k, parameter in enumerate(p for p in model.named_parameters().values() if p.trainable):
        parameter.grad[...] = k + 1
    return model.named_parameters()  # sizes: 4 + 2 of the convolution, 2 + 2 of the norm, 12 + 3 of the scores


def test_all_parameters_of_a_network_are_updated_in_one_call_like_separate_parameters(monkeypatch):
    consecutive, separate = small_network(), small_network()
    for parameter in separate.values():
        move_out(parameter)
    ours, theirs, calls = SGD(consecutive, 0.1, momentum=0.5), SGD(separate, 0.1, momentum=0.5), Calls(monkeypatch)
    for _ in range(2):
        assert calls.of(ours) == [25]
        assert calls.of(theirs) == [4, 2, 2, 2, 12, 3]
    for name, parameter in consecutive.items():
        assert parameter.value.tolist() == separate[name].value.tolist(), name


@pytest.mark.parametrize("name", OTHERS)
def test_every_optimizer_updates_consecutive_parameters_like_separate_ones(name):
    consecutive, separate = small_network(), small_network()
    for parameter in separate.values():
        move_out(parameter)
    ours, theirs = OTHERS[name][0](consecutive), OTHERS[name][0](separate)
    for _ in range(3):
        ours.step()
        theirs.step()
    for parameter, other in zip(consecutive.values(), separate.values(), strict=True):
        assert parameter.value.tolist() == other.value.tolist()


def test_frozen_replaced_and_undecayed_parameters_split_the_update_into_more_calls(monkeypatch):
    parameters, calls = small_network(), Calls(monkeypatch)
    optimizer = SGD(parameters, 0.1, weight_decay=0.5)
    assert calls.of(optimizer) == [25]
    parameters["norm.gamma"].frozen = True
    before = parameters["norm.gamma"].value.copy()
    assert calls.of(optimizer) == [6, 17]
    assert (parameters["norm.gamma"].value == before).all()
    parameters["norm.gamma"].frozen = False
    assert calls.of(optimizer) == [25]
    optimizer.decayed = "weights"
    assert calls.of(optimizer) == [4, 6, 12, 3]
    optimizer.decayed = "all"
    move_out(parameters["scores.w"])
    before = parameters["scores.w"].value.copy()
    assert calls.of(optimizer) == [10, 12, 3]
    assert (parameters["scores.w"].value != before).all()


def test_state_is_changed_in_place_only(monkeypatch):
    parameters, calls = small_network(), Calls(monkeypatch)
    optimizer = SGD(parameters, 0.1, momentum=0.5)
    with pytest.raises(TypeError, match="does not support item assignment"):
        optimizer.velocity["conv.b"] = np.zeros(2, np.float32)
    optimizer.velocity["conv.b"][...] = 2
    before = parameters["conv.b"].value.copy()
    assert calls.of(optimizer) == [25]
    np.testing.assert_allclose(parameters["conv.b"].value, before + 0.5 * 2 - 0.1 * 2, rtol=1e-6)


def test_parameters_with_separated_state_are_updated_in_separate_calls(monkeypatch):
    """Check consecutive parameters whose states another parameter separates.

    That parameter is between them in the order of the optimiser.
    """
    parameters, calls = small_network(), Calls(monkeypatch)
    between = Parameter(np.ones(7, np.float32))
    names = list(parameters)
    mixed = {name: parameters[name] for name in names[:2]} | {"x": between} | {name: parameters[name] for name in names[2:]}
    optimizer = SGD(mixed, 0.1, momentum=0.5)
    assert calls.of(optimizer) == [6, 7, 19]
    between.frozen = True
    assert calls.of(optimizer) == [6, 19]


def test_only_consecutive_parameters_of_one_flat_array_are_updated_in_one_call(monkeypatch):
    parameters, others, calls = small_network(), small_network(1), Calls(monkeypatch)
    without_bias = {name: parameters[name] for name in ("conv.w", "norm.gamma", "norm.beta")}
    assert calls.of(SGD(without_bias, 0.1)) == [4, 4]
    assert parameters["conv.w"].value.size == others["conv.b"].offset  # it would be next if it were in the same array
    assert calls.of(SGD({"w": parameters["conv.w"], "b": others["conv.b"]}, 0.1)) == [4, 2]
    backwards = dict(reversed([(name, p) for name, p in parameters.items() if p.trainable]))
    assert calls.of(SGD(backwards, 0.1)) == [3, 12, 2, 2, 2, 4]
    separate = {"empty": Parameter(np.zeros(0)), "x": Parameter(np.zeros(3))}
    assert calls.of(SGD(separate, 0.1)) == [0, 3]


@pytest.mark.parametrize("name", OTHERS)
def test_a_network_and_its_optimizer_are_copied_together(name):
    model = nn.Sequential(conv=nn.Conv2D(2, (1, 2)), norm=nn.BatchNorm(), flatten=nn.Flatten(), scores=nn.Dense(3))
    model.build((1, 3, 1), rng=0)
    optimizer = OTHERS[name][0](model.named_parameters())
    for copied in (copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))):
        other_model, other = copied((model, optimizer))
        for parameters in (model.named_parameters(), other_model.named_parameters()):
            for k, parameter in enumerate(p for p in parameters.values() if p.trainable):
                parameter.grad = np.full(parameter.value.shape, k + 1)
        optimizer.step()
        other.step()
        assert other.state().keys() == optimizer.state().keys()
        for key, array in optimizer.state().items():
            assert array.any()
            np.testing.assert_array_equal(other.state()[key], array)
        for key, parameter in model.named_parameters().items():
            assert other.parameters.get(key) in (None, other_model.named_parameters()[key])
            np.testing.assert_array_equal(other_model.named_parameters()[key].value, parameter.value)


def test_a_step_updates_parameters_that_were_moved_to_another_flat_array(monkeypatch):
    model = nn.Sequential(nn.Dense(2), nn.Dense(3))
    model.build((4,), rng=0)
    optimizer, calls = SGD(model, 0.1), Calls(monkeypatch)
    assert calls.of(optimizer) == [19]
    model[1].flatten_parameters()
    for parameter in model.named_parameters().values():
        parameter.grad[...] = 1
    before = {name: p.value.copy() for name, p in model.named_parameters().items()}
    assert calls.of(optimizer) == [10, 9]
    for name, parameter in model.named_parameters().items():
        np.testing.assert_allclose(parameter.value, before[name] - 0.1, rtol=1e-6)


def test_a_copy_of_an_optimizer_updates_its_own_parameters():
    parameters = small_network()
    optimizer = SGD(parameters, 0.1, momentum=0.5)
    optimizer.step()
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        before = {name: p.value.copy() for name, p in parameters.items()}
        other.step()
        assert all((p.value == before[name]).all() for name, p in parameters.items())
        assert all((p.value != before[name]).all() for name, p in other.parameters.items())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: SGD(w, learning_rate=0.1), r"^SGD has no argument learning_rate=0\.1: use lr=0\.1$"),
        (
            lambda w: SGD(w, 0.1, 0.9),
            r"^SGD must have at most 2 arguments .* got .*, 0\.1, 0\.9: pass other arguments by name, as in",
        ),
        (lambda w: Adam(w, lr=0.1, betas=(0.9, 0.99)), r"^Adam has no argument betas=.*: use beta1=… and beta2=…$"),
        (lambda w: AdamW(w, lr=0.1, epsilon=1e-3), r"^AdamW has no argument epsilon=0\.001: use eps=0\.001$"),
        (lambda w: RMSProp(w, lr=0.1, alpha=0.9), r"^RMSProp has no argument alpha=0\.9: use rho=0\.9$"),
        (lambda w: SGD(w), "^SGD: missing a required argument: 'lr'$"),
    ],
)
def test_foreign_argument_names_are_refused_with_those_of_refconv(make, message):
    with pytest.raises(refconv.ArgumentError, match=message):
        make({"w": Parameter(np.ones((2, 3)))})
