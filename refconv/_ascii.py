"""ASCII forms of mathematical characters, for terminals and pipes that cannot encode them."""

import codecs
import re
import sys
import unicodedata
from typing import Any, TextIO

__all__ = ["ascii_form", "echo", "use_ascii_forms"]


def _pairs(characters: str, forms: str) -> dict[str, str]:
    return dict(zip(characters, forms.split(), strict=True))


SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵏⁿᵗˣ", "0123456789+-Tkntx", strict=True))
EXPONENT = re.compile(f"[{''.join(SUPERSCRIPTS)}]+")
ROOT = re.compile(r"√(\w\u0302?)")  # a root without parentheses
FORMS = {
    **_pairs(
        "αβγδεζηθικλμνξοπρστυφχψω",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi psi"
        " omega",
    ),
    **_pairs("ΓΔΘΛΞΦΨΩ", "Gamma Delta Theta Lambda Xi Phi Psi Omega"),
    **_pairs("∂ΣΠ∫√∛∞∈\u0302ŷ⊥", "d sum prod integral sqrt cbrt inf in _hat y_hat _perp"),
    **_pairs("−×·÷±≤≥≈≠′∗⋆⊕⊙⟨⟩→←↻", "- x * / +/- <= >= ~ != ' * (*) (+) (.) < > -> <- (turn)"),
    **_pairs("⌊⌋⌈⌉‖½¼°", "floor( ) ceil( ) || (1/2) (1/4) deg"),
    **_pairs("–…’✓✗─│├┤┴┼", "- ... ' + x - | | | + +"),
}


def ascii_form(text: str) -> str:
    r"""Return the text with each non-ASCII character replaced by an ASCII form.

    The form expresses the meaning of the character. A character without such a form is replaced by its escape code.

    >>> ascii_form("∂e/∂w = Σ x², 10⁻¹² ≤ 2ⁿ⁻¹ √σ̂; naïve 畳")
    'de/dw = sum x^2, 10^-12 <= 2^(n-1) sqrt(sigma_hat); naive \\u7573'
    """
    text = EXPONENT.sub(_exponent, ROOT.sub(r"√(\1)", text))
    return "".join(c if c.isascii() else FORMS.get(c) or _without_accents(c) for c in text)


def use_ascii_forms() -> None:
    """Make standard output and error print ASCII forms of characters outside their encodings."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's streams are not files
            stream.reconfigure(errors="refconv.ascii")


def echo(*values: object, file: TextIO | None = None, **options: Any) -> None:
    """Print values as ``print`` does, with ASCII forms of characters outside the encoding.

    The functions of the library print with this function, since programs that import the library configure their streams
    themselves.
    """
    stream = sys.stdout if file is None else file
    encoding, strict = getattr(stream, "encoding", None), getattr(stream, "errors", "strict") in (None, "strict")
    if encoding and strict:
        values = tuple(str(value).encode(encoding, "refconv.ascii").decode(encoding) for value in values)
    print(*values, file=stream, **options)


def _exponent(match: re.Match[str]) -> str:
    """Return the ASCII form of an exponent: "^2", "^-12" or, for a sum, "^(n-1)"."""
    power = "".join(SUPERSCRIPTS[character] for character in match[0])
    return f"^({power})" if {"+", "-"} & {*power[1:]} else f"^{power}"


def _without_accents(character: str) -> str:
    """Return the ASCII letters of a composed or compatibility character.

    If it has none, return "" for a combining mark and the code of any other character.
    """
    letters = "".join(part for part in unicodedata.normalize("NFKD", character) if part.isascii())
    return letters or ("" if unicodedata.combining(character) else character.encode("ascii", "backslashreplace").decode())


def _replace(error: Any) -> tuple[str, int]:
    """Replace characters that a codec cannot encode: the error handler "refconv.ascii".

    An exponent or root is replaced completely, even if part of it could be encoded.
    """
    last = error.end - 1
    match = EXPONENT.match(error.object, last) or ROOT.match(error.object, last)
    end = match.end() if match else error.end
    return ascii_form(error.object[error.start : end]), end


codecs.register_error("refconv.ascii", _replace)
