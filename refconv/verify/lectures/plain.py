r"""Convert the LaTeX of a docstring to one line of plain text for a terminal.

The formula of a loop stands once, in its docstring. What prints it takes it from there: :func:`formula` finds it,
:func:`plain` rewrites it. It knows what the book's docstrings use, and leaves out the backslash of anything else.
"""

from __future__ import annotations

import inspect
import re

__all__ = ["formula", "plain"]

TOKEN = re.compile(r"\\[A-Za-z]+\s*|\\.|\s+|.", re.DOTALL)
MATH = re.compile(r"\.\. math::(.*?)(?:\n\s*\n|\.\. math|$)", re.DOTALL)
TAKES_LIMITS = re.compile(r"(?<![A-Za-z])(?:Σ|Π|max|min)(?:_\{[^}]*\})?$")  # what stands below and above them is no index

# A space that is one; all others become products where they stand between two factors.
SPACE = "\N{NO-BREAK SPACE}"

SIGNS = {
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
    found = MATH.search(inspect.getdoc(function) or "")
    return plain(found[1]) if found else ""


def plain(latex: str) -> str:
    r"""Convert a LaTeX formula to one line of text, with indices in brackets and fractions with a slash.

    >>> plain(r"y_{i,o} = \mathrm{bias}_o + \sum_{m,c} x_{i S + m D,\; c} \; w_{m,c,o}")
    'y[i,o] = bias[o] + Σ_{m,c} x[i·S + m·D, c] · w[m,c,o]'
    >>> plain(r"\frac{\partial e}{\partial x} = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}")
    '∂e/∂x = (x − μ) / √(σ² + ε)'
    """
    text = _group(list(reversed(TOKEN.findall(latex.strip()))))
    text = _products(re.sub(r" +", " ", text))
    text = re.sub(r"([_^])\{(\w)\}", r"\1\2", text.replace(SPACE, " "))
    return re.sub(r" (?=[,;)])|(?<=\() ", "", re.sub(r" +", " ", text)).replace("if else", "otherwise").strip()


def _group(tokens, end=None):
    """Return the text up to the end of a group; ``tokens`` is a stack with the next token on top."""
    text = ""
    while tokens:
        token = tokens.pop().strip() or " "
        if token == end:
            break
        if token in ("_", "^"):
            text = _attached(text.rstrip(), token, _argument(tokens))
        elif token == "{":
            text += _group(tokens, "}")
        elif token.startswith("\\"):
            text += _command(token[1:], tokens)
        else:
            text += {"-": "−", "&": f"{SPACE}if{SPACE}"}.get(token, token)
    return text


def _argument(tokens):
    """Return the text of a command's argument: a group in braces, or one token."""
    while tokens[-1].isspace():
        tokens.pop()
    if tokens[-1] == "{":
        tokens.pop()
        return _group(tokens, "}")
    return _group([tokens.pop()])


def _attached(text, token, argument):
    if TAKES_LIMITS.search(text):
        return f"{text}{token}{{{argument}}}"
    if token == "_":
        return f"{text}[{argument}]"
    if argument.isdigit():
        return text + argument.translate(POWERS)
    return f"{text}^{_single(argument)}"


def _command(name, tokens):
    if name == "frac":
        over, under = _argument(tokens), _argument(tokens)
        return f"{over}/{under}" if over.startswith("∂") else f"{_single(over)}{SPACE}/{SPACE}{_single(under)}"
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
    return SIGNS.get(name, f"{name} ")


def _single(text):
    """Add parentheses to a text of more than one factor."""
    flat = re.sub(r"\[[^\]]*\]|\([^)]*\)", "", text)
    return f"({text})" if re.search(r"[ +−/]|^∂", flat) else text


def _products(text):
    """Replace each space between two factors by ·, without spaces around it inside brackets."""
    made, depth = "", 0
    for place, sign in enumerate(text):
        depth += (sign in "[{") - (sign in "]}")
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        factors = re.match(r"[\w\])\u0302]", before) and re.match(r"[\w(\[∂Σ√]", after)
        dot = "·" if depth else f"{SPACE}·{SPACE}"
        made += dot if sign == " " and factors else sign
    return made
