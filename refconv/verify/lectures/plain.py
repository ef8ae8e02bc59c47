r"""Conversion of LaTeX formulas in docstrings to one line of plain text for a terminal.

The formula of a loop is written only once, in its docstring. :func:`formula` finds it there, and :func:`plain` converts it.
Supported are the commands that the docstrings use; of other commands, only the backslash is removed.
"""

from __future__ import annotations

import inspect
import re

__all__ = ["formula", "plain"]

TOKEN = re.compile(r"\\[A-Za-z]+\s*|\\.|\s+|.", re.DOTALL)
MATH = re.compile(r"\.\. math::(.*?)(?:\n\s*\n|\.\. math|$)", re.DOTALL)
TAKES_LIMITS = re.compile(
    r"(?<![A-Za-z])(?:Σ|Π|max|min)(?:_\{[^}]*\})?$"
)  # their subscripts and superscripts are limits, not indices

# A space to keep; all other spaces between two factors become products.
SPACE = "\N{NO-BREAK SPACE}"

SYMBOLS = {
    "alpha": "α",
    "beta": "β",
    "cdot": f"{SPACE}·{SPACE}",
    "delta": "δ",
    "eta": "η",
    "gamma": "γ",
    "ge": "≥",
    "in": "∈",
    "infty": "∞",
    "lambda": "λ",
    "le": "≤",
    "left": "",
    "lfloor": "⌊",
    "max": "max",
    "min": "min",
    "mu": "μ",
    "odot": " ⊙ ",
    "partial": "∂",
    "pi": "π",
    "prod": "Π",
    "qquad": SPACE * 3,
    "quad": SPACE * 3,
    "rfloor": "⌋",
    "rho": "ρ",
    "right": "",
    "sigma": "σ",
    "star": " ⋆ ",
    "sum": "Σ",
    "tau": "τ",
    "theta": "θ",
    "times": " × ",
    "top": "ᵀ",
    "varepsilon": "ε",
}
FUNCTIONS = ("cosh", "exp", "log", "tanh")
POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def formula(function) -> str:
    """Return the first formula in a function's docstring as plain text; "" if there is none.

    >>> from refconv.reference.conv import conv1d_dw
    >>> formula(conv1d_dw)
    '∂e/∂w[m,c,o] = Σ_{b,i} x[b, i·S + m·D, c] · ∂e/∂y[b,i,o]'
    """
    match = MATH.search(inspect.getdoc(function) or "")
    return plain(match[1]) if match else ""


def plain(latex: str) -> str:
    r"""Convert a LaTeX formula to one line of text with indices in brackets.

    >>> plain(r"y_{i,o} = \mathrm{bias}_o + \sum_{m,c} x_{i S + m D,\; c} \; w_{m,c,o}")
    'y[i,o] = bias[o] + Σ_{m,c} x[i·S + m·D, c] · w[m,c,o]'
    >>> plain(r"\frac{\partial e}{\partial x} = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}")
    '∂e/∂x = (x − μ) / √(σ² + ε)'
    """
    text = _group(list(reversed(TOKEN.findall(latex.strip()))))
    text = _with_dots(re.sub(r" +", " ", text))
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", text.replace(SPACE, " "))
    return re.sub(r" (?=[,;)])|(?<=\() ", "", re.sub(r" +", " ", text)).replace("if else", "otherwise").strip()


def _group(tokens, end=None):
    """Return the text up to the end of a group; ``tokens`` is a stack, the next token on top."""
    text = ""
    while tokens:
        token = tokens.pop().strip() or " "
        if token == end:
            break
        if token in ("_", "^"):
            text = _with_script(text.rstrip(), token, _argument(tokens))
        elif token == "{":
            text += _group(tokens, "}")
        elif token.startswith("\\"):
            text += _command(token[1:], tokens)
        else:
            text += {"-": "−", "&": f"{SPACE}if{SPACE}"}.get(token, token)
    return text


def _argument(tokens):
    """Return the text of the argument of a command: a group in braces, or one token."""
    while tokens[-1].isspace():
        tokens.pop()
    if tokens[-1] == "{":
        tokens.pop()
        return _group(tokens, "}")
    return _group([tokens.pop()])


def _with_script(text, token, argument):
    if TAKES_LIMITS.search(text):
        return f"{text}{token}{{{argument}}}"
    if token == "_":
        return f"{text}[{argument}]"
    if argument.isdigit():
        return text + argument.translate(POWERS)
    return f"{text}^{_parenthesised(argument)}"


def _command(name, tokens):
    if name == "frac":
        numerator, denominator = _argument(tokens), _argument(tokens)
        return (
            f"{numerator}/{denominator}"
            if numerator.startswith("∂")
            else f"{_parenthesised(numerator)}{SPACE}/{SPACE}{_parenthesised(denominator)}"
        )
    if name in ("mathrm", "substack", "mathbf", "operatorname"):
        return _argument(tokens)
    if name == "text":
        return _argument(tokens).replace(" ", SPACE)
    if name == "sqrt":
        return f"√({_argument(tokens)})"
    if name == "hat":
        return _argument(tokens) + "\N{COMBINING CIRCUMFLEX ACCENT}"
    if name in ("begin", "end"):
        _argument(tokens)
        return "(" if name == "begin" else ")"
    if name in FUNCTIONS:
        return name + ("" if tokens and tokens[-1] in "(_" else SPACE)
    if not name[0].isalpha():
        return f";{SPACE}" if name == "\\" else " "
    return SYMBOLS.get(name, f"{name} ")


def _parenthesised(text):
    """Add parentheses to a text with more than one factor."""
    flat = re.sub(r"\[[^\]]*\]|\([^)]*\)", "", text)
    return f"({text})" if re.search(r"[ +−/]|^∂", flat) else text


def _with_dots(text):
    """Replace each space between two factors by ·; inside brackets without spaces around it."""
    text_with_dots = ""
    depth = 0
    for position, character in enumerate(text):
        depth += (character in "[{") - (character in "]}")
        before, after = text[position - 1 : position], text[position + 1 : position + 2]
        factors = re.match(r"[\w\])\u0302]", before) and re.match(r"[\w(\[∂Σ√]", after)
        dot = "·" if depth else f"{SPACE}·{SPACE}"
        text_with_dots += dot if character == " " and factors else character
    return text_with_dots
