"""ASCII forms of mathematical characters, for terminals and pipes whose encoding does not contain them."""

import codecs
import sys
import unicodedata

__all__ = ["ascii_form", "use_ascii_forms"]


def _pairs(characters, forms):
    return dict(zip(characters, forms.split(), strict=True))


SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵏⁿˣ", "0123456789+-Tknx", strict=True))
FORMS = {
    **_pairs(
        "αβγδεζηθικλμνξοπρστυφχψω",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi"
        " rho sigma tau upsilon phi chi psi omega",
    ),
    **_pairs("∂ΣΠ∫√∛∞∈\u0302⊥", "d sum prod integral sqrt cbrt inf in _hat _perp"),
    **_pairs("−×·÷±≤≥≈′∗⋆⊕⊙⟨⟩→←↻", "- x * / +/- <= >= ~ ' * (*) (+) (.) < > -> <- (turn)"),
    **_pairs("⌊⌋⌈⌉‖½¼°", "floor( ) ceil( ) || (1/2) (1/4) deg"),
    **_pairs("–…’✓✗─│├┤┴", "- ... ' + x - | | | +"),
}


def ascii_form(text: str) -> str:
    r"""Return the text with each other character replaced by an ASCII form: by what it means, or else by its code.

    >>> ascii_form("∂e/∂w = Σ x², 10⁻¹² ≤ σ̂; naïve 畳")
    'de/dw = sum x^2, 10^-12 <= sigma_hat; naive \\u7573'
    """
    forms = []
    for before, character in zip(" " + text, text, strict=False):
        if character.isascii():
            forms.append(character)
        elif character in SUPERSCRIPTS:
            forms.append(("" if before in SUPERSCRIPTS else "^") + SUPERSCRIPTS[character])
        elif character in FORMS:
            forms.append(FORMS[character])
        else:
            forms.append(_without_accents(character) or character.encode("ascii", "backslashreplace").decode())
    return "".join(forms)


def use_ascii_forms() -> None:
    """Let standard output and error print ASCII forms of the characters that their encodings do not contain."""
    codecs.register_error("refconv.ascii", _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's streams are not files
            stream.reconfigure(errors="refconv.ascii")


def _without_accents(character):
    """ASCII letters of a composed or compatibility character; combining marks alone have none."""
    return "".join(part for part in unicodedata.normalize("NFKD", character) if part.isascii())


def _replace(error):
    """Error handler of a codec: a whole number or exponent is replaced together, even if part of it could be encoded."""
    end = error.end
    if error.object[end - 1] in SUPERSCRIPTS:
        while end < len(error.object) and error.object[end] in SUPERSCRIPTS:
            end += 1
    return ascii_form(error.object[error.start : end]), end
