"""Tests of compiled networks: outputs equal the model's, and changes are noticed."""

import copy
import gc
import threading
import tracemalloc

import numpy as np
import pytest

import refconv
from evidence import needs_kernels
from refconv import _core, config, models, nn, optim
from refconv.inference import compile_model
from refconv.inference.graph import Run
from refconv.nn.joins import Add, Concatenate, Multiply
from refconv.nn.reshape import Reshape, Transpose
from refconv.training import train_step

pytestmark = needs_kernels

BOUNDS = {np.float64: 1e-12, np.float32: 1e-5}  # relative to the largest output


def randomised(model, shape, dtype, seed=0):
    """Build a model with running averages and offsets that are not 0 and 1."""
    rng = np.random.default_rng(seed)
    model.build(shape, rng=seed, dtype=dtype)
    for name, parameter in model.named_parameters().items():
        kind, size = name.rpartition(".")[2], parameter.value.shape
        if kind in ("mean", "beta", "b"):
            parameter.value = rng.normal(0, 0.1, size)
        elif kind in ("var", "gamma"):
            parameter.value = rng.uniform(0.5, 2, size)
    return model


def difference(model, plan, images=3, seed=1):
    """Return the largest difference of the outputs, relative to the largest output."""
    x = np.random.default_rng(seed).standard_normal((images, *plan.input_shape)).astype(plan.dtype)
    expected, before = model(x), x.copy()
    actual = plan(x)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert np.array_equal(x, before)
    return np.abs(actual - expected).max() / np.abs(expected).max()


FAST = ("lenet", "resnet18", "densenet-bc100", "googlenet", "mobilenet", "unet-same", "resnet20", "wrn-16-8")
NAMES = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in models.names()]


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_of_each_architecture_computes_the_same_outputs(name):
    name += "-small"
    model = randomised(models.create(name), models.input_shape(name), np.float64)
    plan = compile_model(model)
    assert difference(model, plan, 3) <= 1e-12
    assert difference(model, plan, 2, seed=5) <= 1e-12  # the arena is laid out again


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_in_float32_is_as_accurate_as_the_network(name):
    name += "-small"
    exact = randomised(models.create(name), models.input_shape(name), np.float64)
    model = randomised(models.create(name), models.input_shape(name), np.float32)
    x = np.random.default_rng(1).standard_normal((3, *model.input_shape)).astype(np.float32)
    expected = exact(x.astype(np.float64))
    error, allowed = (np.abs(y - expected).max() / np.abs(expected).max() for y in (compile_model(model)(x), model(x)))
    assert error <= max(1e-5, 2 * allowed)


def branched():
    """Return a network of branches, sums and normalisations for inputs of 9×7×6."""
    inner = nn.Concat(a=nn.Conv2D(3, 1), b=nn.Concat(nn.Identity(), nn.Conv2D(4, (3, 1), padding="same")))
    normalised = nn.Sequential(norm=nn.BatchNorm(), relu=nn.ReLU(), conv=nn.Conv2D(13, 3, padding="same", bias=False))
    return nn.Sequential(
        first=nn.Conv2D(6, 3, padding=((1, 1), (0, 2))),
        norm=nn.BatchNorm(),
        both=inner,
        add=nn.Sum(nn.Identity(), normalised),
        relu=nn.ReLU6(),
        twice=nn.Sum(nn.Identity(), nn.Identity()),
        mean=nn.Mean(nn.Identity(), nn.Conv2D(13, 1), nn.DepthwiseConv2D(3, padding=1)),
        pool=nn.AvgPool2D(2),
        flatten=nn.Flatten(),
        dense=nn.Dense(5),
        last=nn.BatchNorm(),
    )


@pytest.mark.parametrize("dtype", BOUNDS)
def test_a_plan_computes_branches_sums_and_normalisations(dtype):
    model = randomised(branched(), (9, 7, 6), dtype)
    plan = compile_model(model)
    assert difference(model, plan, 4) <= BOUNDS[dtype]
    assert compile_model(model)(np.zeros((0, 9, 7, 6), dtype)).shape == (0, 5)


def test_a_plan_computes_graphs():
    layers = {
        "a": nn.Conv2D(6, 1),
        "b": nn.ReLU(),
        "sum": Add(),
        "both": Concatenate(),
        "product": Multiply(),
        "last": nn.Tanh(),
    }
    sources = {"a": ["input"], "b": ["a"], "sum": ["input", "b"], "both": ["sum", "a"], "product": ["both", "both"]}
    model = randomised(nn.Graph(layers, {**sources, "last": ["product"]}), (9, 7, 6), np.float64)
    assert difference(model, compile_model(model)) <= 1e-12


def pooled():
    """Return branches of pooling layers, crops and sums for inputs of 9×11×6.

    Each is a slice of a concatenation.
    """
    branches = nn.Concat(
        small=nn.Sequential(nn.Conv2D(5, 1), nn.MaxPool2D(3, stride=1, padding=1)),
        wide=nn.Sequential(nn.Conv2D(18, 1), nn.MaxPool2D((3, 2), stride=1, padding=((1, 1), (0, 1)))),
        mean=nn.AvgPool2D((2, 3), stride=1, padding=((0, 1), (1, 1)), count_include_pad=True),
        affine=nn.Sequential(nn.BatchNorm(), nn.ReLU6()),
        total=nn.Mean(nn.Identity(), nn.AvgPool2D(3, stride=1, padding=1), nn.ReLU()),
        up=nn.Sequential(nn.Crop2D(((0, 1), (2, 0))), nn.Pad2D(((0, 1), (2, 0)))),
    )
    crops = nn.Concat(a=nn.Crop2D(((1, 0), (2, 3))), b=nn.Sequential(nn.Conv2D(7, (2, 6)), nn.ReLU()))
    return nn.Sequential(branches=branches, crops=crops, pool=nn.Concat(a=nn.GlobalMaxPool2D(), b=nn.GlobalAvgPool2D()))


@pytest.mark.parametrize("dtype", BOUNDS)
def test_a_plan_computes_pooling_crops_and_sums_in_slices_of_channels(dtype):
    model = randomised(pooled(), (9, 11, 6), dtype)
    plan = compile_model(model)
    assert difference(model, plan, 3) <= BOUNDS[dtype]
    copied = [node for node in plan.graph.nodes.values() if getattr(node, "copied", None)]
    assert [node.name for node in copied] == ["branches"]  # only the output of Pad2D


UP = {
    "stride 2": nn.ConvTranspose2D(5, 2, stride=2),
    "overlapping": nn.ConvTranspose2D(19, (3, 5), stride=(2, 3), padding=1, output_padding=(1, 2)),
    "gaps": nn.ConvTranspose2D(5, (1, 2), stride=(3, 4), output_padding=2),
    "groups": nn.ConvTranspose2D(9, (3, 2), stride=2, groups=3, dilation=(3, 1)),
    "stride 1": nn.ConvTranspose2D(5, (3, 2), padding=((2, 1), (0, 1)), dilation=(2, 1)),
    "wide padding": nn.ConvTranspose2D(5, (3, 2), stride=(1, 2), padding=((1, 1), (3, 2))),
    "far output": nn.ConvTranspose2D(5, 2, stride=2, dilation=4, output_padding=3),
}


@pytest.mark.parametrize("name", UP)
@pytest.mark.parametrize("dtype", BOUNDS)
def test_a_plan_computes_transposed_convolutions(name, dtype):
    model = nn.Sequential(first=nn.Conv2D(6, 1), up=copy.deepcopy(UP[name]), norm=nn.BatchNorm(), relu=nn.ReLU())
    model = randomised(nn.Sequential(up=model, pool=nn.Concat(nn.Identity(), nn.Conv2D(3, 1))), (7, 8, 4), dtype)
    plan = compile_model(model)
    assert difference(model, plan, 3) <= BOUNDS[dtype]
    assert sum(isinstance(step.node, Run) for step in plan.steps) == (name == "far output")


@pytest.mark.parametrize(("channels", "width"), [(35, 70), (64, 530)])
def test_residual_sums_are_added_in_place(channels, width):
    """Sizes leave remainders of tiles and panels, and one sum has more products than a block."""
    block = nn.Sequential(conv1=nn.Conv2D(width, 1), relu=nn.ReLU(), conv2=nn.Conv2D(channels, 1))
    blocks = (nn.Sequential(nn.Sum(nn.Identity(), copy.deepcopy(block)), nn.ReLU()) for _ in range(3))
    model = randomised(nn.Sequential(nn.Conv2D(channels, 1), *blocks), (7, 9, 3), np.float64)
    plan = compile_model(model)
    assert difference(model, plan, 3) <= 1e-12
    assert len({plan.arena.places[name].buffer for name in ("0", "1.1", "2.1", "3.1")}) == 1


def test_a_shortcut_that_is_read_later_is_not_overwritten():
    branches = nn.Concat(nn.Tanh(), nn.Sum(nn.Identity(), nn.Conv2D(32, 1)), nn.Conv2D(5, 3, padding=1))
    model = randomised(nn.Sequential(nn.Conv2D(32, 1), branches), (7, 9, 3), np.float64)
    assert difference(model, compile_model(model)) <= 1e-12


def test_a_shortcut_is_not_overwritten_while_a_view_of_it_is_read():
    view = nn.Sequential(Reshape((9, 210)), Reshape((9, 7, 30)), nn.Conv2D(30, (2, 1), padding=((1, 0), (0, 0))))
    model = nn.Sequential(nn.Conv2D(30, 1), nn.Sum(nn.Identity(), view), nn.ReLU())
    model = randomised(model, (9, 7, 3), np.float64)
    assert difference(model, compile_model(model)) <= 1e-12


def test_non_finite_outputs_are_those_of_the_network():
    """The fallback of Winograd's algorithm computes the weights from the transformed kernels."""
    for precision in ("standard", "fast"):
        model = randomised(nn.Sequential(nn.Conv2D(35, 3, padding=1), nn.BatchNorm()), (37, 35, 33), np.float32)
        plan = compile_model(model, batch_size=2, precision=precision)
        assert plan.steps[0].kernel == ("winograd 2×2" if precision == "standard" else "winograd 4×4")
        x = np.random.default_rng(1).standard_normal((2, 37, 35, 33)).astype(np.float32)
        x[0, 5, 7, 3], x[1, 20, 0, 9] = np.inf, np.nan
        expected, actual = model(x), plan(x)
        finite = np.isfinite(expected)
        assert np.array_equal(np.isfinite(actual), finite)
        assert np.abs(actual[finite] - expected[finite]).max() <= 1e-5 * np.abs(expected[finite]).max()


def test_weights_whose_transform_overflows_are_not_transformed():
    model = nn.Sequential(nn.Conv2D(32, 3, padding=1, bias=False))
    model.build((32, 32, 32), rng=0)
    w = model[0].parameters["w"]
    w.value = 1e-3 * w.value
    w.value[1, 1, 2, 3] = 3e38
    plan = compile_model(model)
    assert plan.steps[0].kernel == "direct"
    x = np.random.default_rng(1).uniform(-0.1, 0.1, (2, 32, 32, 32)).astype(np.float32)
    assert np.isfinite(plan(x)).all()
    assert np.abs(plan(x) - model(x))[..., :3].max() <= 1e-5


class View(nn.Layer):
    """Layer of a user that returns a view of its input."""

    def forward(self, x, train=True):
        return x[...], lambda dy: dy


@pytest.mark.parametrize("layers", [[View()], [Reshape((9, 42)), Reshape((9, 7, 6))], [View(), Transpose((0, 1, 2))]])
def test_a_view_of_an_output_is_valid_until_it_is_read(layers):
    """The memory of the first convolution is used again before the sum reads the view."""
    convolutions = {f"{k}": nn.Sequential(nn.Conv2D(6, 3, padding=1), nn.ReLU()) for k in range(4)}
    model = nn.Sequential(nn.Conv2D(6, 1), *layers, nn.Sum(nn.Sequential(convolutions), nn.Identity()))
    randomised(model, (9, 7, 6), np.float64)
    assert difference(model, compile_model(model)) <= 1e-12


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_plan_has_the_same_bits_at_any_number_of_threads(threads):
    model = randomised(models.create("densenet121-small"), (32, 32, 3), np.float32)
    x = np.random.default_rng(2).standard_normal((2, 32, 32, 3)).astype(np.float32)
    with refconv.config(threads=1):
        expected = compile_model(model)(x)
    with refconv.config(threads=threads):
        assert np.array_equal(compile_model(model)(x), expected)


@pytest.fixture
def network():
    model = nn.Sequential(conv=nn.Conv2D(4, 3), norm=nn.BatchNorm(), relu=nn.ReLU(), flatten=nn.Flatten(), scores=nn.Dense(3))
    return randomised(model, (6, 7, 2), np.float32)


def train(model):
    x = np.random.default_rng(3).standard_normal((5, 6, 7, 2)).astype(np.float32)
    train_step(model, optim.SGD(model, 0.1), x, np.array([0, 2, 1, 1, 0]))


def load(model):
    other = nn.Sequential(conv=nn.Conv2D(4, 3), norm=nn.BatchNorm(), relu=nn.ReLU(), flatten=nn.Flatten(), scores=nn.Dense(3))
    other.build((6, 7, 2), rng=8)
    for name, parameter in other.named_parameters().items():
        model.named_parameters()[name].value = parameter.value


def edit(model):
    model["conv"].parameters["w"].value[1, 2, 0, 3] += 0.5


def edit_average(model):
    model["norm"].parameters["var"].value[2] = 30


def rebuild(model):
    model.build((6, 7, 2), rng=9)


def replace_layer(model):
    model.layers["relu"] = nn.Tanh()
    model["relu"].build((4, 5, 4))


@pytest.mark.parametrize("change", [train, load, edit, edit_average, rebuild, replace_layer])
def test_a_plan_notices_that_the_network_has_changed(network, change):
    plan = compile_model(network)
    frozen = compile_model(network, watch=False)
    assert difference(network, plan) <= 1e-5
    change(network)
    assert difference(network, frozen) > 1e-3
    assert difference(network, plan) <= 1e-5


def test_a_plan_does_not_change_when_the_network_is_frozen(network):
    plan = compile_model(network)
    steps = plan.steps
    network.freeze()
    assert difference(network, plan) <= 1e-5
    assert plan.steps is steps


def test_the_engine_reference_runs_the_network_on_the_loops(network):
    plan = compile_model(network)
    plan.steps[0].node.name = "broken"
    x = np.ones((1, 6, 7, 2), np.float32)
    with refconv.config(engine="reference"):
        assert np.array_equal(plan(x), network(x))


def test_several_threads_may_call_a_plan(network):
    plan = compile_model(network)
    inputs = np.random.default_rng(4).standard_normal((8, 3, 6, 7, 2)).astype(np.float32)
    expected, results = [plan(x) for x in inputs], {}
    threads = [threading.Thread(target=lambda k=k: results.update({k: plan(inputs[k])})) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(8):
        assert np.array_equal(results[k], expected[k])


def test_the_result_is_not_overwritten_by_the_next_call(network):
    plan = compile_model(nn.Sequential(network["conv"], network["norm"]), (6, 7, 2))
    x = np.random.default_rng(5).standard_normal((2, 6, 7, 2)).astype(np.float32)
    first = plan(x)
    kept = first.copy()
    plan(x + 1)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("outside", ["standard", "fast"])
def test_the_precision_of_a_plan_does_not_depend_on_the_settings(outside):
    layer = nn.Conv2D(37, 3, padding="same")
    layer.build((35, 33, 34), rng=1)
    x = np.random.default_rng(6).standard_normal((1, 35, 33, 34)).astype(np.float32)
    expected = {}
    for precision in ("standard", "fast"):
        with config(precision=precision):
            expected[precision] = layer(x)
    assert not np.array_equal(expected["standard"], expected["fast"])
    with config(precision=outside):
        for precision, tiles in (("standard", "winograd 2×2"), ("fast", "winograd 4×4")):
            plan = compile_model(layer, precision=precision)
            assert plan.steps[0].kernel == tiles
            assert np.array_equal(plan(x), expected[precision])
        assert compile_model(layer).steps[0].kernel == "winograd 4×4"


def test_the_memory_of_a_plan_is_bounded():
    model = randomised(models.create("resnet50-small"), (32, 32, 3), np.float32)
    plan = compile_model(model, watch=False)
    activations = sorted(4 * np.prod(node.shape) for node in plan.graph.nodes.values())
    weights = sum(parameter.value.nbytes for parameter in model.named_parameters().values())
    assert plan.nbytes <= 1.2 * weights + 1.6 * sum(activations[-2:])


def test_a_plan_keeps_no_weights_that_it_does_not_count():
    model = randomised(models.create("resnet50-small"), (32, 32, 3), np.float32)
    tracemalloc.start()
    try:
        plan = compile_model(model, watch=False)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    weights = sum(parameter.value.nbytes for parameter in model.named_parameters().values())
    assert kept <= plan.nbytes + 0.15 * weights  # steps, names and biases


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((lambda x: x,), TypeError, "model must be a layer, got <function"),
        ((nn.Dense(3),), RuntimeError, "model must be built: call build\\(input_shape\\) first"),
        ((nn.Dense(3), (5,)), RuntimeError, "model must be built"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        compile_model(*arguments)


def test_an_unknown_precision_is_refused(network):
    with pytest.raises(ValueError, match="precision must be 'standard' or 'fast', got 'exact'"):
        compile_model(network, precision="exact")


def test_a_build_without_kernels_is_refused(network, monkeypatch):
    monkeypatch.setattr(_core, "ISA", None)
    with pytest.raises(RuntimeError, match="compile_model needs the compiled kernels"):
        compile_model(network)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones((2, 6, 7, 2)), TypeError, "x must be float32, the type of the network's parameters, got float64"),
        (np.ones((2, 7, 6, 2), np.float32), ValueError, r"x must have shape \(N, 6, 7, 2\), got \(2, 7, 6, 2\)"),
        (np.ones((6, 7, 2), np.float32), ValueError, r"x must have shape \(N, 6, 7, 2\), got \(6, 7, 2\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(network, x, error, message):
    with pytest.raises(error, match=message):
        compile_model(network)(x)


def test_a_plan_prints_its_steps(network):
    lines = str(compile_model(network)).splitlines()
    assert [line.split()[0] for line in lines[2:-2]] == ["1", "2", "3"]
    assert "conv 3×3, ReLU" in lines[2]
    assert "conv, norm, relu" in lines[2]
    assert "4 × 5 × 4" in lines[2]
    assert f"{4 * 5 * 4 * 18:,}" in lines[2]
    assert repr(compile_model(network)) == "Plan(3 steps, (6, 7, 2) → (3,))"


def test_a_profile_has_the_time_of_each_step(network):
    profile = compile_model(network).profile(np.ones((2, 6, 7, 2), np.float32), rounds=3)
    assert [time.step.node.name for time in profile.times] == ["relu", "flatten", "scores"]
    assert sum(time.share for time in profile.times) == pytest.approx(1)
    assert profile.seconds == pytest.approx(sum(time.seconds for time in profile.times))
    assert "2 images" in str(profile)
