"""Tests of `check`: findings, hints and reports for wrong and correct functions."""

import re
import signal
import threading
import time

import numpy as np
import pytest

import refconv
from refconv.verify import check
from refconv.verify.catalogue import OPERATORS
from refconv.verify.student.trial import TimeUp, time_limit
from verify.student.student_versions import RIGHT, WRONG, conv2d_all, conv2d_flipped, conv2d_numbers_only, max_pool2d_dx_ties

FUNCTIONS = list(dict.fromkeys(name for operator in OPERATORS.values() for name in operator.functions))


def named(versions):
    return pytest.mark.parametrize("version", versions, ids=[f"{v.name}-{v.function.__name__}" for v in versions])


@pytest.mark.slow
@named([version for version in WRONG if version.kind != "time"])
def test_a_wrong_version_is_refuted_and_explained(version):
    verdict = check(version.function, version.name)
    assert not verdict
    if version.hint is None:
        assert (verdict.finding.kind, verdict.hint) == (version.kind, None), verdict
    else:
        assert version.hint in (verdict.hint or ""), verdict


@pytest.mark.slow
@named(RIGHT)
def test_a_correct_version_is_accepted(version):
    verdict = check(version.function, version.name)
    assert verdict, verdict
    assert verdict.cases >= 5
    assert (verdict.failed, verdict.finding, verdict.hint, verdict.arguments) == (0, None, None, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if "1d" not in name])
def test_operators_of_refconv_are_accepted(name):
    verdict = check(getattr(refconv, name), name)
    assert verdict, verdict
    assert "Not tried" not in verdict.report
    assert "Refused" not in verdict.report


def test_the_smallest_case_is_small_and_can_be_repeated(capsys):
    verdict = check(conv2d_flipped, "conv2d")
    assert capsys.readouterr().out == f"{verdict}\n"
    assert sorted(a.size for a in verdict.arguments.values()) == [2, 2]
    expected, got = refconv.conv2d(**verdict.arguments), conv2d_flipped(**verdict.arguments)
    assert (verdict.finding.expected, verdict.finding.got) == (expected[verdict.finding.index], got[verdict.finding.index])
    assert repr(verdict) == f"<conv2d: wrong in {verdict.failed} of {verdict.cases} cases>"
    arrays = [line.strip() for line in verdict.report.splitlines() if line.startswith("    ")]
    for line in arrays:
        name, _, code = line.partition(" = ")
        np.testing.assert_array_equal(eval(code, {"np": np}), verdict.arguments[name])


def test_the_smallest_case_of_a_tie_is_a_tie():
    """Check that zeros and ties are tried if a function is correct for 1, 2 and 3."""
    at_zero = check(lambda dy, x: dy * (x >= 0), "relu_dx").arguments
    assert {n: (a.shape, *a) for n, a in at_zero.items()} == {"dy": ((1,), 1.0), "x": ((1,), 0.0)}
    tie = check(max_pool2d_dx_ties, "max_pool2d_dx").arguments
    assert (tie["kernel_size"], tie["x"].shape, *tie["x"].ravel(), tie["dy"].item()) == ((1, 2), (1, 1, 2, 1), 0.0, 0.0, 1.0)


def test_dropout_receives_a_new_generator_in_each_call_and_a_float_as_rate():
    def dropout(x, rate, rng):
        assert type(rate) is float
        assert isinstance(rng, np.random.Generator)
        mask = (rng.random(x.shape) >= rate) / (1 - rate)
        return x * mask, mask

    assert check(dropout, "dropout")
    verdict = check(lambda x, rate, rng: dropout(x, rate, rng)[0] * (1 - rate), "dropout")
    assert re.search(r"^ +rng = np\.random\.default_rng\(\d+\)$", verdict.report, re.MULTILINE)  # hypothesis chooses the seed
    assert isinstance(verdict.arguments["rng"], np.random.Generator)


@pytest.mark.parametrize("mode", ["valid", "full", "same"])
def test_a_function_without_a_mode_is_correct_if_it_matches_one_mode(mode):
    verdict = check(lambda I, K: refconv.convolve2d(I, K, mode), "convolve2d")
    assert verdict
    assert f"It accepts no mode: compared with mode='{mode}' only" in verdict.report
    verdict = check(lambda I, K: refconv.convolve2d(I, K[::-1, ::-1], mode), "convolve2d")
    assert "the kernel is not flipped" in verdict.hint
    assert f"compared with mode='{mode}' only" in verdict.report


def test_a_function_without_a_mode_that_matches_none_is_wrong():
    assert not check(lambda I, K: np.zeros((2, 2)), "convolve2d")


def test_a_hint_uses_the_defaults_of_the_student():
    def batch_norm(x, gamma, beta, eps=1e-5):
        axes = tuple(range(x.ndim - 1))
        return gamma * (x - x.mean(axes)) / np.sqrt(x.var(axes, ddof=1) + eps) + beta

    verdict = check(batch_norm, "batch_norm")
    assert "unbiased" in verdict.hint
    assert "with all options" not in verdict.hint
    assert "The default of eps is 1e-05 here, and 0.001 in refconv.batch_norm." in verdict.report


def test_a_question_ends_with_a_question_mark():
    assert "is there a return at its end?\n" in check(lambda x, w: None, "conv2d").report


def test_the_report_of_a_correct_version_lists_the_options_that_were_tried():
    report = check(conv2d_numbers_only, "conv2d").report
    assert "Varied: b, stride, padding, dilation." in report
    assert "the function does not take them: groups, data_format." in report
    (refused,) = [line for line in report.splitlines() if "Refused" in line]
    assert "stride as a pair, one number for each axis" in refused
    assert "padding='full', 'same', 'same_lower'" in refused
    assert "(NotImplementedError: one number, please)." in refused
    assert all(len(line) < 220 for line in report.splitlines())


def test_output_padding_none_is_refused_like_any_form_of_an_option():
    def integers_only(x, w, stride=1, output_padding=0):
        return refconv.conv_transpose1d(x, w, stride=stride, output_padding=0 + output_padding)

    verdict = check(integers_only, "conv_transpose1d")
    assert verdict, verdict
    assert "Refused, not counted: output_padding=None (TypeError: unsupported operand" in verdict.report


def test_the_report_prints_none_where_it_is_not_the_default():
    def none_is_zero(x, w, stride=1, output_padding=0):
        return refconv.conv_transpose1d(x, w, stride=stride, output_padding=output_padding or 0)

    verdict = check(none_is_zero, "conv_transpose1d")
    assert verdict.finding.kind == "shape"
    assert "    output_padding = None\n" in verdict.report


def test_the_option_that_reveals_the_mistake_is_named():
    def conv2d(x, w, stride=1, dilation=1):
        return conv2d_all(x, w, stride=stride, dilation=dilation) + (dilation != 1)

    verdict = check(conv2d, "conv2d")
    assert "It is right in all cases that leave dilation at the default." in verdict.report
    assert verdict.hint is None


def test_an_option_that_raises_in_every_form_is_wrong_not_refused():
    def conv2d(x, w, stride=1):
        if stride != 1:
            raise ValueError("not yet")
        return conv2d_all(x, w)

    assert check(conv2d, "conv2d").finding.kind == "raises"


def test_a_function_receives_all_arguments_that_it_requires():
    def conv2d(x, w, bias, stride, dilation):
        return conv2d_all(x, w, bias, stride=stride, dilation=dilation)

    verdict = check(conv2d, "conv2d")
    assert verdict, verdict
    assert verdict.cases > 40


def test_an_error_is_reported_with_its_line():
    def conv2d(x, w):
        y = conv2d_all(x, w)
        return y[x.shape[0]]

    message = check(conv2d, "conv2d").finding.words
    assert "IndexError" in message
    assert message.endswith("return y[x.shape[0]]")


def test_the_report_of_a_wrong_function_mentions_other_defaults_and_unknown_options():
    def conv2d(x, w, stride=2, pad=0):
        return conv2d_all(x, w, stride=stride)

    report = check(conv2d, "conv2d").report
    assert "The default of stride is 2 here, and 1 in refconv.conv2d." in report
    assert "refconv.conv2d has no such argument: pad." in report


def test_a_float64_result_for_float32_causes_a_remark_and_no_failure():
    verdict = check(lambda x: np.tanh(x.astype(np.float64)), "tanh")
    assert verdict
    assert "the result is float64 for float32 arguments" in verdict.report
    assert "float32" not in check(np.tanh, "tanh").report


def test_a_function_may_return_only_the_first_of_several_results():
    def softmax_cross_entropy(logits, labels):
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        return float(-np.log(p[np.arange(len(labels)), labels]).mean())

    verdict = check(softmax_cross_entropy, "softmax_cross_entropy")
    assert verdict
    assert "Only the first of the 2 results" in verdict.report
    assert "Compared for one prediction per example only: it is wrong for several, such as one per pixel." in verdict.report


def test_warnings_of_the_function_are_ignored():
    def relu(x):
        return np.where(x > 0, x + 0 * np.log(np.maximum(x, 0) + (x <= 0)), np.float64(0) * x)

    def noisy(x):
        np.log(np.zeros(1))
        return relu(x)

    assert check(noisy, "relu")


def test_pytorch_with_the_signature_of_a_student_is_accepted():
    torch = pytest.importorskip("torch")

    def conv2d(x, w, b=None, stride=1, dilation=1):
        images, kernels = torch.tensor(x.transpose(0, 3, 1, 2)), torch.tensor(w.transpose(3, 2, 0, 1))
        b = None if b is None else torch.tensor(b)
        y = torch.nn.functional.conv2d(images, kernels, b, stride=stride, dilation=dilation)
        return y.numpy().transpose(0, 2, 3, 1)

    assert check(conv2d, "conv2d")
    assert check(lambda x, w: torch.tensor(conv2d(x, w)), "conv2d").finding.words == "returns a Tensor, not a NumPy array"


def test_scipy_is_accepted():
    scipy = pytest.importorskip("scipy.signal")
    assert check(lambda x, w, mode: scipy.convolve(x, w, mode, method="direct"), "convolve1d")


needs_alarm = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer signals on this system")


@needs_alarm
def test_a_function_that_never_ends_is_stopped():
    def relu(x):
        while True:
            pass

    start = time.perf_counter()
    verdict = check(relu, "relu", seconds=0.3)
    assert time.perf_counter() - start < 3
    assert verdict.finding.kind == "time"
    assert "does not return within 0." in verdict.report


@needs_alarm
def test_a_function_that_hangs_in_some_cases_is_stopped():
    def relu(x):
        for _ in range(500 if x.ndim == 2 and x.size > 2 else 0):
            try:
                time.sleep(0.01)
            except Exception:
                continue
        return np.maximum(x, 0)

    assert check(relu, "relu", seconds=0.3).finding.kind == "time"


def test_a_slow_function_is_tried_until_its_time_is_over():
    def relu(x):
        time.sleep(0.03)
        return np.maximum(x, 0)

    verdict = check(relu, "relu", seconds=0.2)
    assert verdict
    assert 1 <= verdict.cases <= 7
    assert verdict.report.endswith("Stopped after 0.2 s.")


def test_check_works_in_another_thread_without_the_timer():
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(check(np.tanh, "tanh")))
    thread.start()
    thread.join()
    assert verdicts[0]


@needs_alarm
def test_a_signal_handler_that_python_cannot_restore_is_kept(monkeypatch):
    # A program that embeds Python may have installed such a handler: getsignal then returns None.
    def install(number, handler):
        installed.append(handler)
        if handler is None:
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")

    installed = []
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", install)
    assert check(np.tanh, "tanh")
    assert installed == []


@needs_alarm
def test_another_timer_continues_after_the_time_limit():
    def handler(*_):
        raise AssertionError("30 seconds are over")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 30)
        with pytest.raises(TimeUp), time_limit(0.02):
            time.sleep(1)
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        assert 20 < left <= 30
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("function", "name", "message"),
    [
        (3, "conv2d", "function must be callable, got 3"),
        (lambda x, w, q, r: x, "conv2d", r"function must accept .*refconv.conv2d \(x, w, b, .*also requires q, r"),
        (lambda x: x, "max_pool2d", "function must accept kernel_size as refconv.max_pool2d does, got .* only x"),
        (lambda image: image, "max_pool2d", "function must accept kernel_size .* accepts only image"),
        (lambda: 3, "conv2d", "function must accept x as refconv.conv2d does, got one that accepts no argument"),
        (lambda dy, x: x, "max_pool2d_dx", "function must accept argmax"),
        (lambda x, gamma, beta: x, "batch_norm_inference", "function must accept mean"),
    ],
)
def test_a_function_with_a_wrong_signature_is_wrong_and_raises_no_error(function, name, message, capsys):
    verdict = check(function, name)
    assert not verdict
    assert (verdict.finding.kind, verdict.cases) == ("signature", 0)
    assert repr(verdict) == f"<{name}: not tried in any case>"
    assert re.match(f"{name}: not tried: {message}.*\\.\n$", capsys.readouterr().out)


def test_an_unknown_operator_is_refused():
    with pytest.raises(ValueError, match=r"operator must be .* got 'tanhh'; did you mean tanh.*\?$"):
        check(np.tanh, "tanhh")


def test_a_function_that_catches_the_time_limit_does_not_hang():
    def stubborn(x):
        while True:
            try:
                first = x.flat[0]
            except:  # noqa: E722 students write this
                first = 0
            sum(range(10_000 + int(first > 0)))

    verdict = check(stubborn, "relu", seconds=0.3)
    assert not verdict


def test_a_function_that_exits_does_not_end_the_caller():
    def leaves(x):
        raise SystemExit(3)

    assert check(leaves, "relu", seconds=1).finding.kind == "raises"


def test_a_masked_result_is_wrong():
    verdict = check(lambda x: np.ma.masked_array(refconv.relu(x), mask=True), "relu", seconds=1)
    assert "masked" in verdict.finding.words


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), None, "5", 0])
def test_seconds_must_be_a_positive_finite_number(seconds):
    with pytest.raises((TypeError, ValueError), match="seconds must be"):
        check(refconv.relu, "relu", seconds=seconds)
