"""Tests of --json and --format json: the output is JSON and nothing else."""

import io
import json
import sys

import pytest

from evidence import needs_kernels
from refconv import _core
from refconv.cli import main
from refconv.cli.console import print_json
from refconv.verify.case import Case
from refconv.verify.evidence import table
from refconv.verify.evidence.kinds import LeftOut, Outcome


def test_info_as_json(printed):
    facts = json.loads(printed("info", "--json"))
    assert facts["instruction_set"] == _core.ISA
    assert facts["threads"] >= 1
    assert facts["missing_packages"] == []


def test_summary_as_json_has_plain_numbers(printed):
    network = json.loads(printed("summary", "lenet", "--format", "json"))
    assert network["input"] == [32, 32, 1]
    assert sum(layer["parameters"] for layer in network["layers"]) == 61_706
    first = network["layers"][0]
    assert (first["name"], first["output"], first["receptive_field"]) == ("conv1", [28, 28, 6], [5, 5])
    assert network["memory"]["parameters"] == 4 * 61_706
    layers = json.loads(printed("summary", "lenet", "--layers", "--format", "json"))["layers"]
    assert not any("receptive_field" in layer for layer in layers)


def test_tables_as_json(printed):
    (table,) = json.loads(printed("tables", "unet", "--format", "json"))
    assert table["title"].startswith("U-Net, Figure 1")
    row = {"quantity": "level 5", "printed": "28×28×1024", "counted": "28×28×1024", "verdict": "equal"}
    assert row in table["figures"]


def test_settings_as_json(printed):
    first, second = json.loads(printed("settings", "vgg", "mobilenet", "--format", "json"))
    assert (first["name"], second["name"]) == ("vgg", "mobilenet")
    rate = {"setting": "learning rate", "printed": "not stated", "source": "", "run": "0.045, as for Inception-v3"}
    assert rate in second["settings"]


def test_adjoints_as_json(printed):
    rows = json.loads(printed("formulas", "--adjoints", "--format", "json"))
    assert {row["operator"]: row["equivalent"] for row in rows}["im2col"] == "col2im"


@pytest.mark.slow
def test_formulas_as_json(printed):
    (entry,) = json.loads(printed("formulas", "conv2d_dx", "--format", "json"))
    (loop,) = entry["loops"]
    assert (entry["id"], loop["name"], loop["place"]["path"]) == ("B4", "conv2d_dx", "refconv/reference/conv.py")
    assert loop["place"]["line"] > 1


def test_trace_as_json_lists_the_products(printed):
    trace = json.loads(printed("trace", "conv2d", "--output", "0,1,2,0", "--json"))
    bias, *products = trace["steps"]
    assert trace["element"] == "y[0,1,2,0]"
    assert bias["factors"][0]["name"] == "bias[0]"
    total = bias["value"] + sum(step["factors"][0]["value"] * step["factors"][1]["value"] for step in products)
    assert total == trace["value"] == trace["plain"] == products[-1]["total"]
    average = json.loads(printed("trace", "avg_pool2d", "--kernel", "3x3", "--json"))
    assert average["divisor"] == len(average["steps"]) == 9


@pytest.mark.slow
@needs_kernels
def test_try_as_json(printed):
    (measured,) = json.loads(printed("try", "lenet", "--batch", "3", "--json"))
    assert (measured["model"], measured["input"], measured["parameters"]) == ("lenet", [3, 32, 32, 1], 61_706)
    assert measured["forward_seconds"] > 0
    assert measured["backward_seconds"] is None
    assert measured["finite"] is True


def test_verify_as_json_has_an_entry_for_each_piece_of_evidence(capsys, monkeypatch):
    def gather(operator, kind, **_):
        refuted = "relu: 3 ≠ 5" if operator.name == "relu" and kind == "parity" else None
        case = Case({"x": (2, 3)}) if refuted else None
        return Outcome(operator.name, kind, 7, 1e-9, 0.5, refuted, (LeftOut("x is empty", 2),), case)

    monkeypatch.setattr(table, "gather", gather)
    assert main(["verify", "conv1d", "relu", "--json"]) == 1
    outcomes = json.loads(capsys.readouterr().out)
    assert [outcome["operator"] for outcome in outcomes] == ["conv1d"] * 5 + ["relu"] * 5
    assert [outcome["kind"] for outcome in outcomes[:5]] == ["symbolic", "numeric", "adjoint", "parity", "oracle"]
    assert [outcome["refuted"] for outcome in outcomes] == [None] * 8 + ["relu: 3 ≠ 5", None]
    assert [outcome["case"] for outcome in outcomes[7:]] == [None, "x (2, 3)", None]
    assert outcomes[0]["left_out"] == [{"reason": "x is empty", "cases": 2, "error": "", "accepting": []}]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_can_be_read_in_any_encoding(monkeypatch, encoding):
    data = {"class": "Straße ½ ∂", "shape": (3, 5), "loss": float("nan"), "counts": [float("inf"), 2.5]}
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="refconv.ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    print_json(data)
    written = json.loads(stream.buffer.getvalue().decode(encoding))
    assert written == {"class": "Straße ½ ∂", "shape": [3, 5], "loss": None, "counts": [None, 2.5]}
