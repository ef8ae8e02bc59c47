"""Tests that saved networks of ONNX layers load without an import of refconv.onnx."""

import subprocess
import sys

import numpy as np
import pytest

from refconv import nn
from refconv.onnx.layers import Clip, Power, Resize, Scale, Shift
from refconv.weights.names import Known

LOAD = """
import sys
import numpy as np
import refconv
model = refconv.load(sys.argv[1])
np.save(sys.argv[2], model(np.load(sys.argv[2])))
"""


def test_a_new_process_loads_a_saved_network(tmp_path):
    resize = Resize([np.arange(6.0).reshape(2, 3), None])
    model = nn.Sequential(resize, Scale((1, 5)), Shift((2, 1)), Clip(0.5, 9), Power(2))
    model.build((3, 5), rng=0)
    model.save(tmp_path / "model.safetensors")
    x = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    subprocess.run([sys.executable, "-c", LOAD, tmp_path / "model.safetensors", tmp_path / "x.npy"], check=True, timeout=300)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), model(x))


def test_other_modules_are_not_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "this", raising=False)
    for name in ("this.Layer", "refconv.onnx.layersx.Layer", "refconv.onnx.layers.os.Layer", "refconv.onnx.layers.Missing"):
        with pytest.raises(ValueError, match=r"layer class .* is not defined in this program"):
            Known().layer_class(name)
    assert "this" not in sys.modules
    assert Known().layer_class("refconv.onnx.layers.arithmetic.Scale") is Scale
