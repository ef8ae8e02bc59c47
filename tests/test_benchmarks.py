"""Tests of the benchmarks: equal results, correct counts and correct output, but no speed."""

import csv
import itertools
import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import refconv
from evidence import needs_kernels
from refconv import _core
from refconv._core.conv import choose as conv_choose

ROOT = Path(refconv.__file__).parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("an installed package has no benchmarks", allow_module_level=True)
sys.path.append(str(ROOT))

from benchmarks import __main__ as command  # noqa: E402
from benchmarks import (  # noqa: E402  # noqa: E402
    choose,
    each_isa,
    limits,
    links,
    machines,
    measure,
    peers,
    processes,
    roofline,
    rows,
    scaling,
    table,
    winograd_points,
)
from benchmarks.problem import Problem, Row  # noqa: E402
from benchmarks.side import Side  # noqa: E402

# JAX compiles slowly, so only these rows are tested; together they use each way of calling JAX.
JAX_ROWS = (
    *("LeNet conv1, backward", "3×3, float64, backward", "3×3, 32 groups, forward", "transposed 2×2 stride 2, backward"),
    *("max pool 3×3 stride 2, backward", "batch norm, training, backward", "softmax and cross-entropy, both"),
)
# OpenVINO and torch.compile only compute complete networks, and torch.compile compiles slowly.
NETWORK_ROWS = {"torch.compile": ("MobileNet, batch 8, inference",)} | {
    "openvino": tuple(row.name for row in rows.ROWS if row.work == "inference")
}
TESTED = {"jax": JAX_ROWS} | NETWORK_ROWS
COMPARED = [(row, library) for row in rows.ROWS for library in peers.PEERS if row.name in TESTED.get(library, (row.name,))]
MACHINE = limits.Limits({"float32": 400e9, "float64": 200e9}, {1 << 20: 100e9, 1 << 28: 20e9})


@pytest.fixture(autouse=True)
def _threads():
    before = refconv.get_config().threads
    yield
    refconv.set_config(threads=before)


@needs_kernels
@pytest.mark.parametrize(("row", "library"), COMPARED, ids=[f"{row.name}, {library}" for row, library in COMPARED])
def test_every_library_computes_the_same_result(row, library):
    if not peers.installed(library):
        pytest.skip(f"{library} is not installed")
    problem = row.problem.small()
    sides = problem.sides(row.work, peers.PEERS[library])
    results = {name: side.read(side.run()) for name, side in sides.items()}
    assert library in ("jax", "onnxruntime") or len(results) > 1
    for result in results.values():
        assert measure.differences(results["refconv"], result) < (1e-5 if problem.dtype == "float32" else 1e-13)
        assert all(array.dtype == problem.dtype for array in result if array.ndim)


def test_the_rows_that_are_tested_exist():
    assert {name for names in TESTED.values() for name in names} <= {row.name for row in rows.ROWS}


def test_names_of_rows_are_unique():
    assert len({row.name for row in rows.ROWS}) == len(rows.ROWS)


def test_counts_of_a_convolution_follow_from_its_definition():
    problem = rows.chosen(["LeNet conv2"])[0].problem
    a = problem.draw("forward")
    y = problem.refconv("forward", a).run()
    assert y.shape == (64, 10, 10, 16)
    assert problem.flops("forward", a, [y]) == 2 * 64 * 10 * 10 * 16 * 5 * 5 * 6
    assert problem.flops("backward", a, []) == 2 * problem.flops("forward", a, [])
    assert problem.bytes("forward", a, [y]) == 4 * (64 * 14 * 14 * 6 + 5 * 5 * 6 * 16 + 16 + 64 * 10 * 10 * 16)
    first = rows.chosen(["LeNet conv1"])[0].problem
    assert first.flops("backward", {}, []) == 2 * 64 * 28 * 28 * 6 * 25
    assert "w" not in first.draw("backward")


def test_counts_of_the_training_step_are_sums_over_its_layers():
    step = rows.chosen(["LeNet-5, batch 64"])[0].problem
    layers = {"conv1": 28 * 28 * 6 * 25, "conv2": 100 * 16 * 150, "dense": 400 * 120 + 120 * 84 + 84 * 10}
    assert step.flops("training step", {}, []) == 2 * 64 * (3 * sum(layers.values()) - layers["conv1"])


def test_counts_of_the_training_step_of_a_network_omit_the_gradient_of_the_images():
    step = rows.chosen(["ResNet-20"])[0].problem
    first = 32 * 32 * 16 * 27
    # Stages of six convolutions at 32×32, 16×16 and 8×8 pixels; the first one of a stage has half the input channels.
    stages = [6 * 32**2 * 9 * 16**2, 5.5 * 16**2 * 9 * 32**2, 5.5 * 8**2 * 9 * 64**2]
    assert step.flops("training step", {}, []) == 2 * 128 * (3 * (first + sum(stages) + 640) - first)
    assert step.bytes("training step", step.draw("training step"), []) == 128 * (4 * 32 * 32 * 3 + 8) + 12 * 269_722


class Clock:
    """Clock that advances only inside the functions it creates, with a list of the calls."""

    def __init__(self):
        self.now, self.ran = 0.0, []

    def __call__(self):
        return self.now

    def takes(self, name, durations):
        durations = itertools.cycle(durations)

        def run():
            self.now += next(durations)
            self.ran.append(name)

        return run


def test_the_number_of_repetitions_depends_on_the_duration_within_bounds():
    clock = Clock()
    assert measure.repetitions(clock.takes("a", [measure.BLOCK / 8.5]), clock) == 8
    assert measure.repetitions(clock.takes("a", [1e-9]), clock) == measure.MOST
    assert measure.repetitions(clock.takes("a", [measure.BLOCK]), clock) == measure.LEAST
    assert measure.repetitions(clock.takes("a", [2 * measure.SLOW]), clock) == 1


def test_median_block_returns_the_median_of_the_durations():
    clock = Clock()
    assert measure.median_block(clock.takes("a", [5, 1, 2]), 3, clock) == 2


def test_interleaved_returns_the_smallest_median_of_several_blocks():
    clock = Clock()
    # One call warms up and three calls determine the number of repetitions; then three blocks of three calls follow. The
    # second block has the smallest median.
    warm = [0.02] * 4
    a = clock.takes("a", [*warm, 0.04, 0.03, 0.01, 0.02, 0.025, 0.001, 0.06, 0.05, 0.07])
    b = clock.takes("b", [0.015])
    best = measure.interleaved({"a": a, "b": b}, 3, clock)
    assert best["a"] == pytest.approx(0.02)
    assert best["b"] == pytest.approx(0.015)
    assert "".join(clock.ran) == "aaaabbbb" + 3 * "aaabbb"


def test_a_slow_function_is_called_once_in_each_round():
    clock = Clock()
    best = measure.interleaved({"a": clock.takes("a", [2.0]), "b": clock.takes("b", [0.02])}, 4, clock)
    assert best["a"] == 2
    assert clock.ran.count("a") == 5


def test_a_very_slow_function_is_called_in_one_round_only():
    clock = Clock()
    best = measure.interleaved({"a": clock.takes("a", [2 * measure.LONG]), "b": clock.takes("b", [0.02])}, 4, clock)
    assert best["a"] == 2 * measure.LONG
    assert clock.ran.count("a") == 2


def test_differences_are_relative_to_the_largest_number():
    expected = [np.array([4.0, -8.0]), np.array([1.0])]
    assert measure.differences(expected, [np.array([4.0, -8.0]), np.array([1.25])]) == 0.25
    assert measure.differences(expected, [np.array([5.0, -8.0]), np.array([1.0])]) == 0.125
    assert measure.differences(expected, [np.array([4.0, -8.0])]) == math.inf
    assert measure.differences(expected, [np.array([[4.0, -8.0]]), np.array([1.0])]) == math.inf
    assert measure.differences(expected, [np.array([4.0, np.nan]), np.array([1.0])]) == math.inf
    assert measure.differences([np.zeros(3), np.zeros(0)], [np.zeros(3), np.zeros(0)]) == 0


def test_the_limit_is_the_larger_of_two_times_and_depends_on_the_cache():
    assert MACHINE.seconds(400e9, 20e9, "float32") == pytest.approx(1)
    assert MACHINE.seconds(400e9, 20e9, "float64") == pytest.approx(2)
    assert MACHINE.seconds(1, 40e9, "float32") == pytest.approx(2)
    assert MACHINE.bandwidth(1 << 20) == 100e9
    assert MACHINE.bandwidth((1 << 20) + 1) == MACHINE.bandwidth() == MACHINE.bandwidth(1 << 40) == 20e9


@needs_kernels
def test_the_kernels_of_the_limits_do_the_work_that_they_count():
    lanes = {"baseline": 4, "v3": 8, "v4": 16}
    for isa in _core.instruction_sets():
        kernels = _core.load("limits", isa)
        assert kernels.multiply_adds(10, np.float32, 3) == 2 * 10 * 12 * lanes[isa] * 3
        assert kernels.multiply_adds(10, np.dtype("float64"), 3) == 2 * 10 * 12 * lanes[isa] // 2 * 3
        a, b, c = np.zeros(7), np.arange(7.0), np.full(7, 0.5)
        kernels.triad(a, b, c, 4, 3)
        np.testing.assert_array_equal(a, np.arange(7) + 1.5)  # the last pass adds 3·c
        kernels.triad(a[:0], b[:0], c[:0], 1, 3)
    assert not hasattr(_core.kernels, "limits")


@needs_kernels
def test_limits_are_measured_for_each_size(monkeypatch):
    monkeypatch.setattr(limits, "LARGEST", 1 << 18)
    monkeypatch.setattr(measure, "BLOCK", 0)
    machine = limits.measure(2, rounds=1)
    assert min(machine.peak.values()) > 0
    assert sorted(machine.by_size) == [1 << 16, 1 << 17, 1 << 18]


MEASURED = table.Measured(
    *("conv", "forward", 1.5, {"refconv": 2e-3, "PyTorch NCHW": 4e-3, "PyTorch NHWC": 3e-3, "JAX": 0.012}),
    *(1e-3, 10**6, 10**5),
)


NAMES = ("PyTorch NCHW", "PyTorch NHWC", "JAX", "ONNX Runtime")


def test_a_row_of_the_table_has_its_cells_in_order():
    cells = ["conv", "forward", "2.000", "50 %", "4.000", "3.000", "12.000", "–", "1.50", "1.50", "✓"]
    assert MEASURED.cells(NAMES) == cells
    assert MEASURED.cells(["OpenVINO", "PyTorch NCHW"]) == [*cells[:4], "–", "4.000", *cells[-3:]]
    header, rule = table.heading(NAMES).splitlines()
    assert header.split() == ["row", "work", "refconv", "limit", *" ".join(NAMES).split(), "ratio", "bar"]
    assert table.line(cells, NAMES).split("  ")[0] == "conv"
    assert len(table.line(cells, NAMES)) == len(rule)
    assert len(header) < len(rule) + 1


def test_the_ratio_is_to_the_fastest_rival():
    engine = replace(MEASURED, seconds={"refconv": 2e-3, "PyTorch NHWC": 3e-3, "OpenVINO": 1e-3})
    assert engine.ratio == 1.5
    assert replace(engine, rivals=peers.ALL).ratio == 0.5
    assert {row.rivals for row in rows.ROWS if row.work == "inference"} == {peers.ALL}
    assert {row.rivals for row in rows.ROWS if row.work != "inference"} == {peers.TORCH}


def test_the_summary_has_a_line_for_each_kind_of_work():
    half = replace(MEASURED, work="backward", seconds={"refconv": 2.0, "PyTorch NCHW": 1.0})
    step = replace(MEASURED, work="training step")
    assert table.summary([MEASURED, half, step]) == [
        "operators, 2 rows: geometric mean of the ratios 0.87, smallest 0.50 (conv, backward)",
        "training, 1 row: geometric mean of the ratios 1.50, smallest 1.50 (conv, training step)",
    ]
    assert table.summary([replace(MEASURED, seconds={"refconv": 1.0})]) == []


def test_the_verdict_depends_on_the_bar():
    assert replace(MEASURED, bar=1.51).verdict == "✗"
    assert replace(MEASURED, bar=None).cells(NAMES)[-3:] == ["1.50", "–", ""]
    assert replace(MEASURED, seconds={"refconv": 1.0}).cells(NAMES)[4:] == ["–"] * 5 + ["1.50", ""]


def test_markdown_and_csv_contain_the_same_rows():
    lines = table.to_markdown([MEASURED, MEASURED], NAMES).splitlines()
    assert len(lines) == 4
    assert all(line.count("|") == 12 for line in lines)
    (row,) = csv.DictReader(table.to_csv([MEASURED], NAMES).splitlines())
    assert (row["row"], float(row["refconv"]), float(row["ratio"]), row["ONNX Runtime"]) == ("conv", 2.0, 1.5, "")
    assert (float(row["limit"]), int(row["flops"]), int(row["bytes"])) == (1.0, 10**6, 10**5)


def test_numbers_are_near_their_points_and_overlap_nothing():
    points = [(100 + 3 * (k % 4), 50 + 2 * (k // 4)) for k in range(20)]
    taken = [roofline.Box(x, y, 6, 6) for x, y in points]
    boxes = roofline.numbers_beside(points, [(10, 9)] * 20, taken)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert not any(a.overlaps(b) for a in boxes for b in taken)
    assert all(math.dist((box.x, box.y), point) < 9 * roofline.REACH for box, point in zip(boxes, points, strict=True))


class Doubled(Problem):
    """Problem that doubles x; PyTorch's channels_last side computes it wrongly."""

    dtype = "float32"

    def draw(self, work):
        return {"x": np.arange(1, 5, dtype=np.float32)}

    def refconv(self, work, a):
        return Side(lambda: 2 * a["x"])

    def torch(self, work, a, layout):
        return Side(lambda: (2 if layout is peers.CONTIGUOUS else 3) * a["x"])

    def flops(self, work, a, results):
        return a["x"].size


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(measure, "BLOCK", 0)
    monkeypatch.setattr(limits, "measure", lambda threads: MACHINE)


def run(capsys, *arguments):
    status = command.main([*arguments])
    return status, capsys.readouterr().out


@needs_kernels
def test_a_side_with_a_different_result_is_named_and_not_timed(monkeypatch, capsys, quick):
    monkeypatch.setattr(rows, "ROWS", [Row(Doubled("doubled"), "forward", 0.0)])
    monkeypatch.setattr(command, "selected_peers", lambda text: ["torch"])
    monkeypatch.setattr(peers, "set_num_threads", lambda n, names: None)
    monkeypatch.setattr(command, "version", lambda name: "0")
    status, text = run(capsys, "--rounds", "1")
    assert status == 1
    assert (
        "✗ doubled, forward: the result of PyTorch NHWC differs by 5.0e-01 of the largest number, so it is not timed" in text
    )
    cells = next(line.split() for line in text.splitlines() if line.startswith("doubled"))
    assert cells[6] == "–"  # PyTorch NHWC
    assert cells[-1] == "✓"


@needs_kernels
def test_the_command_writes_the_requested_files(monkeypatch, capsys, quick, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("torch")
    small = [Row(row.problem.small(), row.work, row.bar) for row in rows.chosen(["conv2", "float64", "softmax"])]
    monkeypatch.setattr(rows, "ROWS", small)
    files = [tmp_path / name for name in ("a.csv", "a.md", "a.png")]
    options = ["--csv", str(files[0]), "--markdown", str(files[1]), "--png", str(files[2])]
    status, text = run(capsys, "--quick", "--peers", "torch", *options)
    assert status == 0
    assert "against torch" in text
    assert "400 GFLOP/s in float32" in text
    assert "20.0 GB/s" in text
    assert len(files[0].read_text(encoding="utf-8").splitlines()) == 1 + len(small)
    assert len(files[1].read_text(encoding="utf-8").splitlines()) == 2 + len(small)
    assert files[2].read_bytes()[1:4] == b"PNG"


@needs_kernels
def test_without_peers_refconv_is_measured_alone(monkeypatch, capsys, quick):
    monkeypatch.setattr(rows, "ROWS", [Row(rows.chosen(["ReLU, forward"])[0].problem.small(), "forward", 1.0)])
    monkeypatch.setattr(peers, "installed", lambda name: False)
    status, text = run(capsys, "--rounds", "1")
    assert status == 0
    assert "against no other library" in text
    assert any(line.startswith("ReLU") for line in text.splitlines())


@needs_kernels
def test_each_instruction_set_is_measured_in_its_own_process(monkeypatch, capsys, tmp_path):
    commands = []
    monkeypatch.setattr(_core, "instruction_sets", lambda: ["v4", "v3", "baseline"])
    monkeypatch.setattr(peers, "installed", lambda name: name != "jax")

    def process(command, env):
        commands.append((command[1:], env))
        return subprocess.CompletedProcess(command, "v4" in env["REFCONV_ISA"])

    monkeypatch.setattr(each_isa.subprocess, "run", process)
    status, text = run(capsys, "--isa", "v4,v3", "--rows", "1×1", "--quick", "--csv", str(tmp_path / "rows.csv"))
    assert status == 1
    assert text == "left out, because they cannot be limited to v3: onnxruntime\n"
    common = ["-m", "benchmarks", "--threads", "2", "--rows", "1×1", "--quick", "--csv"]
    assert [command for command, _ in commands] == [
        [*common, str(tmp_path / "rows-v4.csv"), "--peers", "torch,onnxruntime,openvino"],
        [*common, str(tmp_path / "rows-v3.csv"), "--peers", "torch,openvino"],
    ]
    assert [environment.get("REFCONV_ISA") for _, environment in commands] == ["v4", "v3"]
    assert commands[1][1]["ONEDNN_MAX_CPU_ISA"] == "AVX2"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--isa", "v3,v5"], "--isa must be one or more of v3, got 'v5'"),
        (["--isa", ""], "--isa must be one or more of v3, got ''"),
        (["--rows", "conv1", "no such"], "no row's name contains 'no such'; the rows are: LeNet conv1, forward;"),
        (
            ["--peers", "torch,tensorflow"],
            "--peers must be one or more of torch, torch.compile, jax, onnxruntime, openvino, got 'tensorflow'",
        ),
        (["--peers", "jax"], "--peers must be installed libraries, got 'jax'. Run: pip install jax"),
        (["--threads", "0"], "argument --threads: must be at least 1, got 0"),
    ],
)
def test_the_command_names_the_wrong_argument(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(peers, "installed", lambda name: name == "torch")
    monkeypatch.setattr(_core, "instruction_sets", lambda: ["v3", "baseline"])
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments)
    assert message in capsys.readouterr().err


def test_the_command_refuses_to_time_a_build_without_kernels(monkeypatch, capsys):
    monkeypatch.setattr(_core, "ISA", None)
    with pytest.raises(SystemExit, match="2"):
        command.main(["--rows", "relu"])
    assert "the benchmarks need kernels, but refconv was built without them (REFCONV_PURE=1)" in capsys.readouterr().err


def test_rows_are_chosen_by_any_of_several_parts_of_their_names():
    assert [row.name for row in rows.chosen(["relu, f", "CONV1, b"])] == ["LeNet conv1, backward", "ReLU, forward"]
    assert {row.problem.name for row in rows.chosen(["7x7"])} == {"ResNet conv1, 7×7 stride 2"}
    assert rows.chosen([]) == list(rows.ROWS)


def test_slope_returns_the_exponent_of_a_power_law():
    assert scaling.slope([1, 2, 4, 8], [5.0, 5 * 2**1.5, 5 * 4**1.5, 5 * 8**1.5]) == pytest.approx(1.5)


@needs_kernels
def test_hand_written_alternatives_compute_the_same_convolution():
    problem = scaling.PLAIN.small()
    a = problem.draw("forward")
    expected = problem.refconv("forward", a).run()
    sides = scaling.plain_sides(a["x"], a["w"], a["b"])
    for side in sides.values():
        assert measure.differences([expected], side.read(side.run())) < 1e-5


@needs_kernels
def test_scaling_prints_each_part(monkeypatch, capsys):
    monkeypatch.setattr(measure, "BLOCK", 0)
    monkeypatch.setattr(scaling, "SMALL", [replace(scaling.SMALL[0], size=3)])
    monkeypatch.setattr(scaling, "GROWTH", {"size": (3, 4), "channels": (1, 2)})
    monkeypatch.setattr(scaling, "PLAIN", scaling.PLAIN.small())
    monkeypatch.setattr(scaling, "ROWS", [Row(rows.chosen(["1×1"])[0].problem.small(), "forward")])
    monkeypatch.setattr(scaling, "BILLION", 10)
    scaling.main(["--rounds", "1"])
    text = capsys.readouterr().out
    for part in ("convolution 3×3, backward", "1×1, forward", "channels, backward", "NumPy: im2col"):
        assert part in text
    with pytest.raises(SystemExit, match="2"):
        scaling.main(["nothing"])
    assert "PART must be one of loops, threads, growth, plain, got 'nothing'" in capsys.readouterr().err


@needs_kernels
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux only")
def test_memory_is_measured_in_a_separate_process():
    from benchmarks import memory

    measured = memory.measure_in_subprocess("LeNet-5, training, batch 64", "refconv", threads=2)
    assert 1e5 < measured["peak"] < 100e6
    assert 0 <= measured["faults"] < 100
    assert memory.cell(**measured).endswith("faults")


DISASSEMBLY = """
0000000000001000 <tile.constprop.0>:
    1000:\tpush   %rbp
    1001:\tmov    0x8(%rsp),%rax
    1005:\tvmovups (%rdi),%zmm1
    1009:\tvbroadcastss (%rsi,%rax,1),%zmm2
    100d:\tvfmadd231ps %zmm1,%zmm2,%zmm0
    1011:\tvfmadd231ps 0x40(%rsp),%zmm2,%zmm3
    1015:\tmov    -0x8(%rsp),%rcx
    1019:\tcmp    %rcx,%rax
    101d:\tjne    1005 <tile.constprop.0+0x5>
    1021:\tvfmadd231ps %zmm1,%zmm2,%zmm0
    1025:\tjmp    1001 <tile.constprop.0+0x1>
    1029:\tvmovups %zmm0,0x80(%rsp)
    102d:\tret

0000000000002000 <other>:
    2000:\tret
"""


def test_the_hot_loop_is_the_innermost_loop_and_its_spills_are_counted(monkeypatch):
    from benchmarks import assembly

    printed = subprocess.CompletedProcess([], 0, stdout=DISASSEMBLY)
    monkeypatch.setattr(assembly.subprocess, "run", lambda *arguments, **options: printed)
    monkeypatch.setattr(assembly.Path, "glob", lambda *arguments: [Path("kernels.so")])
    function = assembly.disassembled("direct", "tile")
    loop = assembly.hot_loop(function)
    assert [i.address for i in loop] == [0x1005, 0x1009, 0x100D, 0x1011, 0x1015, 0x1019, 0x101D]
    assert assembly.described(function, loop) == (7, 2, 4, 1, 1, 1, 1, 1)
    assert assembly.disassembled("direct", "nothing") == []
    assert assembly.hot_loop([]) == []


@needs_kernels
def test_both_algorithms_are_timed_around_each_threshold(monkeypatch, capsys):
    monkeypatch.setattr(measure, "BLOCK", 0)
    for threshold in choose.THRESHOLDS:  # both algorithms compute the same result
        first, second = (run() for run in threshold.runs(threshold.values[0]).values())
        assert measure.differences([first], [second]) < 1e-4
    choose.main(["COLUMNS_MOST_BYTES", "LARGE_TILES_LEAST_PIXELS", "--rounds", "1"])
    printed = capsys.readouterr().out
    assert re.search(r"^COLUMNS_MOST_BYTES = 24 bytes a pixel\n +12 +columns .* ms   direct .* times as fast$", printed, re.M)
    assert re.search(r"^ +2048 +tiles 4×4 .* ms   tiles 2×2 ", printed, re.M)
    assert "WINOGRAD" not in printed
    with pytest.raises(SystemExit, match="2"):
        choose.main(["nothing"])
    assert "THRESHOLD must be one of WINOGRAD_LEAST_CHANNELS, " in capsys.readouterr().err


@needs_kernels
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_tiles_of_winograd_have_the_bounded_errors_of_their_points(dtype):
    rng = np.random.default_rng(3)
    d = rng.standard_normal((6, 6, 1, 50)).astype(dtype)
    g = rng.standard_normal((3, 3, 50, 37)).astype(dtype)
    exact = winograd_points.plain_outputs(d.astype(np.longdouble), g.astype(np.longdouble))
    y = _core.kernels.winograd.conv2d(d.transpose(2, 0, 1, 3).copy(), g, None, (0, 0), (4, 4), 4).transpose(1, 2, 0, 3)
    assert (np.abs(y - exact) <= winograd_points.bound(d, g, 5 / 8, 3 / 2)).all()
    by_numpy = winograd_points.outputs(d, g, 5 / 8, 3 / 2)
    assert (np.abs(by_numpy - exact) <= winograd_points.bound(d, g, 5 / 8, 3 / 2)).all()


def test_errors_of_interpolation_points_are_printed(monkeypatch, capsys):
    monkeypatch.setattr(winograd_points, "TILES", 4)
    monkeypatch.setattr(winograd_points, "CHANNELS", 7)
    winograd_points.main([])
    header, *lines = capsys.readouterr().out.splitlines()
    errors = {tuple(line.split()[:2]): float(line.split()[2]) for line in lines}
    assert header.split()[:2] == ["a", "b"]
    assert errors["0.6250", "1.5000"] < errors["1.0000", "2.0000"]


@needs_kernels
@pytest.mark.slow
def test_processes_are_compared(capsys):
    pytest.importorskip("mpi4py")
    if not links.find_mpiexec():
        pytest.skip("mpiexec is not installed")
    assert processes.main(["--processes", "1", "2", "--networks", "lenet", "--images", "64"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert [row[:5] for row in rows[3:]] == [["lenet", "all", "shards", *row[3:5]] for row in rows[3:]]
    assert len({row[-4] for row in rows[:3]}) == 1
    assert float(rows[1][-2]) == 0  # one process sends no messages
    assert float(rows[2][-2]) > 2


def test_the_model_of_several_machines_returns_the_numbers_from_which_its_rows_were_computed(monkeypatch):
    monkeypatch.setattr(machines, "parameters", lambda network: 1000)
    latency, byte, step, image = 3e-5, 2e-9, 0.25, 0.125

    def exchange(size):
        return machines.MESSAGES * latency + 4 * size * byte  # two processes: half of the numbers, twice

    rows = [machines.row("", "cable", 2, 1, size, exchange(size)) for size in (1, 10**5, 10**7)]
    rows += [machines.row("", "other", 2, 1, size, 1.0) for size in (1, 10**5)]
    rows += [machines.row("lenet", "", 1, 2, size, step + image * size) for size in (2, 6, 14)]
    rows += [machines.row("lenet", "", 1, 1, size, 9.0) for size in (2, 6)]
    rows += [machines.row("lenet", "cable, step", 2, 2, 64, 99.0)]  # only for the comparison with the model
    monkeypatch.setattr(machines, "NETWORKS", {"lenet": (64, ())})
    compute, messages = machines.Model(rows, "cable", 2).seconds("lenet", 8)
    assert compute == pytest.approx(step + image * 64 / 8, rel=1e-2)  # rows have three digits
    assert messages == pytest.approx(latency * 4 * 3 + byte * 2 * 4 * 1000 * 7 / 8, rel=1e-2)
    _, messages = machines.Model(rows, "cable", 2).seconds("lenet", 8, gigabits=0.001)
    assert messages == pytest.approx(latency * 4 * 3 + 8 / 1e6 * 2 * 4 * 1000 * 7 / 8, rel=1e-2)


def test_every_threshold_of_the_choice_is_measured():
    constants = [name for name in vars(conv_choose) if re.search("_(LEAST|MOST|SIZES)", name)]
    assert [threshold.name for threshold in choose.THRESHOLDS] == constants
