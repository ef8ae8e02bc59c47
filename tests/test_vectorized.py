"""Tests of the engine in NumPy: names, memory, whole networks and a build without kernels.

The tests in ``_core/`` and the parity evidence of :mod:`refconv.verify` compare each operator on all engines.
"""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refconv
from evidence import assert_same_sums, needs_kernels
from refconv import models, reference, vectorized
from refconv._config import config
from refconv.ops import dispatch
from strategies import small_floats

ROOT = Path(refconv.__file__).parents[1]

# Loops without a version in NumPy; no architecture of refconv.models trains with them.
LOOPS = {
    "conv": {"centred_correlation", "centred_correlation_dw", "centred_correlation_dx"},
    "conv_transpose": {"zero_stuffed_conv_transpose2d"},
    "convolve": {"fft_convolve1d", "fft_convolve2d"},
    "matrix": {"col2im", "toeplitz1d", "toeplitz2d", "zero_stuff"},
    "max_pool": {"wins"},
    "norm": {"corrected_average", "folded_batch_norm", "running_average"},
    "p4_conv": {*reference.p4_conv.__all__},
    "resize": {"adaptive_avg_pool2d", "adaptive_avg_pool2d_dx"},
    "response_norm": {"denominators"},
}


@pytest.mark.parametrize("family", reference.__all__)
def test_the_functions_have_the_names_and_parameters_of_the_loops(family):
    loops, functions = getattr(reference, family), vars(getattr(dispatch.in_numpy, family))
    assert {name for name in loops.__all__ if functions[name] is getattr(loops, name)} == LOOPS.get(family, set())
    for name in loops.__all__:
        expected, actual = (inspect.signature(f).parameters.values() for f in (getattr(loops, name), functions[name]))
        assert [p.kind for p in actual] == [p.kind for p in expected], name
        keywords = [p.name for p in expected if p.kind is p.KEYWORD_ONLY]
        assert [p.name for p in actual if p.kind is p.KEYWORD_ONLY] == keywords, name


def test_a_batch_in_several_blocks_gives_the_same_sums(monkeypatch):
    x, w, dy = (small_floats(shape, seed) for seed, shape in enumerate([(5, 6, 7, 4), (3, 2, 2, 6), (5, 4, 6, 6)]))
    pixels = dy[..., 0].size

    def passes(x, w, dy):
        return refconv.conv2d(x, w, groups=2), refconv.conv2d_dx(dy, w, (6, 7), groups=2), dw(x, dy)

    def dw(x, dy):
        return refconv.conv2d_dw(x, dy, (3, 2), groups=2)

    with config(engine="numpy"):
        whole = passes(x, w, dy)
        monkeypatch.setattr(vectorized, "BLOCK", 2 * 4 * 6 * 3 * 2 * 4)  # two images, so the last block has one
        blocks = passes(x, w, dy)
        np.testing.assert_array_equal(blocks[0], whole[0])
        np.testing.assert_array_equal(blocks[1], whole[1])
        assert_same_sums(blocks[2], dw, x, dy, terms=pixels)


FAST = ("lenet", "alexnet", "densenet-bc100", "googlenet", "mobilenet", "unet-same", "resnet20", "deep-image-prior")
NAMES = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in models.names()]


def results(name, engine):
    """Return outputs and gradients of a step in float64, relative to their largest elements.

    A gradient that is much smaller than the others is relative to a ten-thousandth of these: except for rounding, the gradient
    of a bias before a batch normalisation is 0.
    """
    with config(engine=engine):
        model, shape = models.create(name), models.input_shape(name)
        model.build(shape, rng=1, dtype=np.float64)
        rng = np.random.default_rng(2)
        y, backward = model.forward(rng.standard_normal((3, *shape)), train=True)
        outputs = y if isinstance(y, tuple) else (y,)
        dy = tuple(rng.standard_normal(part.shape) for part in outputs)
        backward(dy if isinstance(y, tuple) else dy[0], want_dx=False)
        arrays = dict(enumerate(outputs)) | {key: p.grad for key, p in model.named_parameters().items() if p.grad is not None}
    least = 1e-4 * max(np.abs(array).max() for array in arrays.values())
    return {key: array / max(np.abs(array).max(), least) for key, array in arrays.items()}


@needs_kernels
@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_gradients_of_each_architecture_equal_those_on_the_kernels(name):
    expected, actual = results(f"{name}-small", "kernels"), results(f"{name}-small", "numpy")
    assert actual.keys() == expected.keys()
    # float64 rounds at 1e-16; each batch normalisation divides the errors by a standard deviation.
    for key, array in expected.items():
        np.testing.assert_allclose(actual[key], array, rtol=0, atol=1e-9, err_msg=key)


@pytest.mark.slow
def test_a_build_without_kernels_trains_in_numpy(tmp_path):
    pytest.importorskip("setuptools", minversion="77")  # earlier versions do not know the licence's form in pyproject.toml
    command = ["setup.py", "-q", "egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(tmp_path / "lib")]
    environment = {**os.environ, "REFCONV_PURE": "1", "PYTHONPATH": str(tmp_path / "lib")}
    options = dict(env=environment, check=True, capture_output=True, encoding="utf-8", timeout=300)
    subprocess.run([sys.executable, *command], cwd=ROOT, **options)
    train = ["train", "lenet", "--epochs", "1", "--images", "640", "--test-images", "100", "--out", "out"]
    done = subprocess.run([sys.executable, "-m", "refconv", *train], cwd=tmp_path, **options)
    assert "numpy on" in done.stdout
    assert (tmp_path / "out" / "model.safetensors").exists()
