"""Tests of the output on terminals whose encoding lacks mathematical characters."""

import contextlib
import io
import sys
from pathlib import Path

import pytest

import refconv
from refconv import nn, verify
from refconv._ascii import ascii_form, echo, use_ascii_forms
from refconv.cli import COMMANDS, main

ROOT = Path(refconv.__file__).parents[1]
ENCODINGS = ("cp1252", "ascii", "gbk", "cp850")
NO_ASCII_FORM = "畳"  # a doctest shows this wide character as an example
OUTPUTS = {
    "formulas": ["formulas"],
    "formulas as Markdown": ["formulas", "--format", "markdown"],
    "tables": ["tables"],
    "summary": ["summary", "unet-same", "--layers"],
    "trace": ["trace", "max_pool2d_dx"],
    "verify": ["verify", "relu", "--quick"],
    "error": ["summary", "lenet", "--input", "5×5×2×1"],
    **{f"{command.name} --help": [command.name, "--help"] for command in COMMANDS},
}


@pytest.fixture
def printed(monkeypatch):
    """Return a function that runs a command with streams of an encoding and decodes its output."""

    def run(arguments, encoding):
        page = io.BytesIO()
        stream = io.TextIOWrapper(page, encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        with contextlib.suppress(SystemExit):  # raised by argparse after --help and after an error
            main(arguments)
        stream.flush()
        return page.getvalue().decode(encoding)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("arguments", OUTPUTS.values(), ids=OUTPUTS)
def test_no_character_is_lost_on_a_narrow_terminal(printed, arguments):
    pytest.importorskip("hypothesis")
    pytest.importorskip("sympy")
    unicode = printed(arguments, "utf-8")
    assert len(unicode) > 100
    for encoding in ENCODINGS:
        narrow = printed(arguments, encoding)
        assert narrow.count("?") == unicode.count("?"), encoding
        assert "\\u" not in narrow, encoding


@pytest.mark.parametrize("folder", ["refconv", "benchmarks", "experiments", "figures", "tutorials"])
def test_every_character_in_the_sources_has_an_ascii_form(folder):
    files = [path for path in (ROOT / folder).rglob("*.py") if "-checkpoint" not in path.name]
    if not files:
        pytest.skip(f"{folder}/ is in the source distribution only")
    characters = {c for file in files for c in file.read_text(encoding="utf-8") if not c.isascii()} - set(NO_ASCII_FORM)
    assert {c for c in characters if "\\" in ascii_form(c)} == set()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("∂e/∂w[m,n] = Σ_{i,j} x[i·S + m − p₀] · w", "de/dw[m,n] = sum_{i,j} x[i*S + m - p0] * w"),
        ("F⁻¹(F(w)) eˣ 10⁻¹² x²", "F^-1(F(w)) e^x 10^-12 x^2"),
        ("⌊(n + p) / S⌋ ≤ ⌈7½⌉", "floor((n + p) / S) <= ceil(7(1/2))"),
        ("β₁ᵗ ≠ √s + √(s + ε), √σ̂", "beta1^t != sqrt(s) + sqrt(s + epsilon), sqrt(sigma_hat)"),
        ("Δ ŷ 2ⁿ⁻¹", "Delta y_hat 2^(n-1)"),
        ("τ·μ̂ + (1 − τ)·λ", "tau*mu_hat + (1 - tau)*lambda"),
        ("⟨dy, J v⟩ = ⟨Jᵀ dy, v⟩ → ✓ …", "<dy, J v> = <J^T dy, v> -> + ..."),
    ],
)
def test_formulas_keep_their_meaning_in_ascii(text, form):
    assert ascii_form(text) == form


def narrow(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def content(stream):
    return stream.buffer.getvalue().decode(stream.encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_functions_of_the_library_print_on_a_narrow_stream(monkeypatch, encoding):
    """Check library functions outside a command; a command would set up its streams itself."""
    pytest.importorskip("hypothesis")
    stream = narrow(encoding)
    monkeypatch.setattr(sys, "stdout", stream)

    def fails(x):
        raise RuntimeError("naïve 畳 ∂e/∂x")

    assert not verify.check(fails, "relu", seconds=0.5)
    refconv.summary(nn.Sequential(nn.ReLU()), (5, 4, 1))
    verify.table(["relu"], quick=True, kinds=["numeric"])
    printed = content(stream)
    assert "It raises RuntimeError: na" in printed
    assert "parameters" in printed
    assert "operators: 1" in printed
    assert stream.errors == "strict"


def test_echo_replaces_only_characters_that_the_encoding_lacks(monkeypatch):
    for stream, printed in (
        (narrow("utf-8"), "√2 → 3 ²!"),
        (narrow("cp1252"), "sqrt(2) -> 3 ²!"),
        (narrow("ascii"), "sqrt(2) -> 3 ^2!"),
    ):
        echo("√2 →", 3, "²", end="!", file=stream)
        assert content(stream) == printed
    text = io.StringIO()
    echo("√2", file=text)
    assert text.getvalue() == "√2\n"


def test_ascii_forms_replace_only_characters_that_the_encoding_lacks(monkeypatch):
    page = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(page, encoding="cp1252", write_through=True))
    use_ascii_forms()
    print("3×5² ≤ 10⁹, F⁻¹, √s · 2", end="")
    assert page.getvalue().decode("cp1252") == "3×5² <= 10^9, F^-1, sqrt(s) · 2"
