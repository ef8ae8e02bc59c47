"""Tests that docstrings begin with a short sentence and texts contain no unclear phrases."""

import ast
import bisect
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = (".ci", "benchmarks", "docs", "experiments", "figures", "refconv", "tests", "tutorials")
SUFFIXES = {".h", ".md", ".pxd", ".pxi", ".py", ".pyx", ".toml"}
LONGEST_SUMMARY = 90  # characters

# What to write instead of each phrase.
PHRASES = {
    r"\b(?:that|those) of\b": "repeat the noun: 'the shape of y'",
    r"\b(?:as|so) many\b": "'the same number of', or the number",
    r"\bways? back\b": "backward function, backward pass",
    r"\bno (?:finite )?numbers?\b(?! of)": "non-finite, NaN, not a number",
    r"\bnothing but\b": "only",
    r"\b(?:nobody|somebody|whoever)\b": "name the program, function or person",
    r"\bwhat (?:came|there is|is there|it takes|lies|stands)\b": "name the thing",
    r"\b(?:behind|before|after) one another\b": "consecutive, contiguous",
    r"\blies? (?:where|there)\b|\blay\b": "is stored",
    r"\bstands? (?:anywhere|at|behind|beside|in|there|where)\b": "is",
    r"\bbears?\b": "has, uses",
    r"\btells?\b(?!\()": "prints, returns, states",
    r"\b(?:are|is|was|were) told\b": "is called, receives",
    r"\basks? (?:for|the|whether)\b": "requests, checks, calls",
    r"\b(?:are|be|is|was|were) asked\b": "is called, is checked",
    r"\b(?:forgets?|remembers?|remembered)\b": "discards, stores",
    r"\b(?:rooms?|museum|exhibits?|lesions?)\b|\bthe (?:book|house)\b": "buffer, memory, list, removal",
    r"\b(?:half done|used up|has had enough)\b": "incomplete, exhausted, closed",
    r"\band some\b": "non-empty",
    r"\bfor now\b": "say until when",
    r"\bat last\b": "finally",
    r"\bout of which\b": "from which",
    r"\bsees? to it\b": "ensures",
    r"\bshall\b": "must, should",
    r"\btravels?\b": "is passed, is distributed",
    r"\b(?:as well|either|too)[.;:](?=\s|$)": "also, earlier in the sentence",
}
ANY_PHRASE = re.compile("|".join(PHRASES), re.IGNORECASE)
# Sentences in which a phrase is right, by file. Each fragment contains the phrase.
ALLOWED = {
    "CHANGELOG.md": ("Plateau.forget()", "refconv.museum"),  # names before they were changed
    "SOURCES.md": ("Show and tell",),  # the paper's title
    "experiments/captioning.py": ("Show and tell",),
    "refconv/verify/lectures/statements.py": ("Show and tell",),
    "refconv/data/classes.py": ("aquarium_fish baby bear beaver",),  # a class of CIFAR-100
    "tutorials/01_one_sum.md": ("But remember the flip",),
    "tutorials/02_the_layer.md": ("as many channels as the image",),
    "tutorials/03_derivatives.md": ("Suppose that somebody has applied",),
    "tutorials/06_more_convolutions.md": ("are those of the convolution", "times as many"),
    "tutorials/10_pixels_out.md": ("Somebody has written Grace Hopper's birthday",),
    "tutorials/11_new_task.md": ("three times as many images", "Show and tell"),  # the paper's title
    "tutorials/12_fast_loops.md": ("times as many", "so many threads"),
}


def sources(suffixes=SUFFIXES):
    """Return the text files of the repository, except this one."""
    files = [*ROOT.glob("*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return [
        path for path in sorted(files) if path.suffix in suffixes and "rendered" not in path.parts and path != Path(__file__)
    ]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def phrases_in(text, allowed=()):
    """Return (line number, phrase, advice) for each phrase, also across line breaks."""
    lines = [re.sub(r"^\s*(?:#:?|//|\*|>)?\s*", "", line) for line in text.splitlines()]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    joined = " ".join(lines)
    for fragment in allowed:
        joined = joined.replace(fragment, len(fragment) * "·")
    if not ANY_PHRASE.search(joined):  # one search instead of one for each phrase
        return []
    return [
        (bisect.bisect(starts, match.start()), match[0], advice)
        for phrase, advice in PHRASES.items()
        for match in re.finditer(phrase, joined, re.IGNORECASE)
    ]


def docstrings(statement):
    """Yield (line number, docstring or None) of each module, class and function in a statement."""
    if isinstance(statement, ast.AsyncFunctionDef | ast.ClassDef | ast.FunctionDef | ast.Module):
        yield statement.body[0].lineno if statement.body else 0, ast.get_docstring(statement)
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):  # expressions contain no docstrings
        inner = getattr(statement, name, None)
        for other in inner if isinstance(inner, list) else ():
            yield from docstrings(other)


def summaries(path):
    """Return (line number, summary) for each docstring: the text before its first empty line."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        found = [(number, docstring) for number, docstring in docstrings(ast.parse(text)) if docstring]
    else:
        quoted = re.finditer(r'^ *r?"""(?!\n)(.*?)"""', text, re.DOTALL | re.MULTILINE)  # C code begins on a new line
        found = [(text.count("\n", 0, match.start()) + 1, match[1]) for match in quoted]
    return [(number, re.split(r"\n\s*\n", docstring)[0].strip()) for number, docstring in found]


def test_no_phrase_slows_the_reader_down():
    found = {name_of(path): phrases_in(path.read_text("utf-8"), ALLOWED.get(name_of(path), ())) for path in sources()}
    assert not {name: phrases for name, phrases in found.items() if phrases}


def test_a_docstring_begins_with_one_short_sentence():
    wrong = [
        f"{name_of(path)}:{number}: {summary}"
        for path in sources({".pxd", ".pxi", ".py", ".pyx"})
        for number, summary in summaries(path)
        if len(summary) > LONGEST_SUMMARY or "\n" in summary or summary[-1] not in ".?!"
    ]
    assert not wrong, f"the first lines must be one sentence of at most {LONGEST_SUMMARY} characters"


def test_every_allowed_fragment_exists_and_contains_a_phrase():
    for name, fragments in ALLOWED.items():
        text = " ".join(re.sub(r"^\s*(?:#:?|//|\*|>)?\s*", "", line) for line in (ROOT / name).read_text("utf-8").splitlines())
        for fragment in fragments:
            assert fragment in text
            assert phrases_in(fragment)


def test_a_phrase_is_found_across_a_line_break_with_its_line_number():
    text = "x = 1\n# The shape of y is that\n# of x.\ny = x.tell()\n"
    assert phrases_in(text) == [(2, "that of", PHRASES[r"\b(?:that|those) of\b"])]
    assert not phrases_in(text, ["is that of x"])
