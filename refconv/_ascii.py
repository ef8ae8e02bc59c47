"""ASCII forms of mathematical characters, for terminals and pipes whose encoding does not contain them."""

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
    r"""Return the text with each other character replaced by an ASCII form: by what it means, or else by its code.

    >>> ascii_form("∂e/∂w = Σ x², 10⁻¹² ≤ 2ⁿ⁻¹ √σ̂; naïve 畳")
    'de/dw = sum x^2, 10^-12 <= 2^(n-1) sqrt(sigma_hat); naive \\u7573'
    """
    text = EXPONENT.sub(_exponent, ROOT.sub(r"√(\1)", text))
    return "".join(c if c.isascii() else FORMS.get(c) or _without_accents(c) for c in text)


def use_ascii_forms() -> None:
    """Let standard output and error print ASCII forms of the characters that their encodings do not contain."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's streams are not files
            stream.reconfigure(errors="refconv.ascii")


def echo(*values: object, file: TextIO | None = None, **options: Any) -> None:
    """Print values as ``print`` does, with ASCII forms of the characters that the stream's encoding does not contain.

    The functions of the library print with this, since Python programs that import it choose their streams themselves.
    """
    stream = sys.stdout if file is None else file
    encoding, strict = getattr(stream, "encoding", None), getattr(stream, "errors", "strict") in (None, "strict")
    if encoding and strict:
        values = tuple(str(value).encode(encoding, "refconv.ascii").decode(encoding) for value in values)
    print(*values, file=stream, **options)


def _exponent(match: re.Match[str]) -> str:
    """ "^2", "^-12" or, for a sum, "^(n-1)"."""
    power = "".join(SUPERSCRIPTS[character] for character in match[0])
    return f"^({power})" if {"+", "-"} & {*power[1:]} else f"^{power}"


def _without_accents(character: str) -> str:
    """ASCII letters of a composed or compatibility character; the code of one that has none, "" for a combining mark."""
    letters = "".join(part for part in unicodedata.normalize("NFKD", character) if part.isascii())
    return letters or ("" if unicodedata.combining(character) else character.encode("ascii", "backslashreplace").decode())


def _replace(error: Any) -> tuple[str, int]:
    """Error handler of a codec: a whole exponent or root is replaced, even if part of it could be encoded."""
    last = error.end - 1
    match = EXPONENT.match(error.object, last) or ROOT.match(error.object, last)
    end = match.end() if match else error.end
    return ascii_form(error.object[error.start : end]), end


codecs.register_error("refconv.ascii", _replace)
