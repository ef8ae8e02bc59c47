"""Tests of rules for kernel sources: short functions, few arguments, threads, README links."""

import re
from itertools import takewhile

import pytest

from refconv import _core

CORE = _core.source("conv").parents[1]
CYTHON = sorted(path for path in CORE.glob("*/*.p[xy]*") if path.suffix in (".pyx", ".pxd", ".pxi"))
SOURCES = [*CYTHON, *sorted(CORE.glob("*/*.h"))]
MOST_ARGUMENTS, MOST_LINES, MOST_COLUMNS = 8, 40, 127

# The signature of a function from the start of its line to the colon (Cython) or the brace (C).
HEAD = {
    "cython": re.compile(
        r"^(?:def|cdef|cpdef) (?!enum|struct|extern)(?:[^\n(=]*[ *])?(\w+)\(((?:[^()]|\([^()]*\))*)\)[^\n=]*:$", re.M
    ),
    "c": re.compile(
        r"^ *(?:AS_WRITTEN |REPLACES_LIBGOMP |__attribute__\S+ )?static [^\n;={}]*?([\w#]+)\(([^{};]*?)\)[ \\]*\n[ ]*\{", re.M
    ),
}


def functions(path):
    """Yield name, number of positional arguments and number of lines of each function in a file."""
    language = "c" if path.suffix == ".h" else "cython"
    text = path.read_text("utf-8")
    for head in HEAD[language].finditer(text):
        name, arguments = head.groups()
        positional = re.sub(r"\[[^]]*\]|\([^)]*\)", "", arguments).partition("*,")[0].strip(" ,\\\n")
        lines = text[head.start() :].split("\n")
        if language == "cython":
            after = head.group().count("\n") + 1
            body = list(takewhile(lambda line: not line.strip() or line.startswith(" "), lines[after:]))
            length = after + len("\n".join(body).rstrip().split("\n"))
        else:
            indent = re.match(" *", lines[0]).group()
            length = 1 + next(k for k, line in enumerate(lines) if re.match(rf"{indent}\}}", line))
        yield name, positional.count(",") + bool(positional), length


def parallel_loops(text):
    """Yield the num_threads of each `prange`; variables are resolved, or give "parameter"."""
    for loop in re.finditer(r" in prange\((.*)\):", text):
        threads = (re.findall(r"num_threads=(.*)", loop[1]) or [""])[0]
        set_before = re.findall(rf"cdef int {threads} = (.*)|int {threads}\)(?=:\n)", text[: loop.start()])
        yield (set_before[-1] or "parameter") if threads.isidentifier() and set_before else threads


@pytest.mark.parametrize("path", SOURCES, ids=[path.name for path in SOURCES])
def test_functions_are_short_and_have_few_arguments(path):
    large = [
        (name, arguments, lines)
        for name, arguments, lines in functions(path)
        if arguments > MOST_ARGUMENTS or lines > MOST_LINES
    ]
    assert not large


EXAMPLE = """\
cdef enum:
    A = 1


cdef inline const real *f(const real[:, ::1] x,
                          int y) noexcept nogil:
    return x


def g(a, *, b, c):
    return 1

    return 2


cdef h()
"""

EXAMPLE_IN_C = """\
static int one(void)
{
}
#define F(real)                        \\
    static void two_##real(int a,      \\
                           int b[2])   \\
    {                                  \\
        if (a) {                       \\
        }                              \\
    }
"""


def test_functions_of_both_languages_are_counted(tmp_path):
    cython, c = tmp_path / "a.pyx", tmp_path / "a.h"
    cython.write_text(EXAMPLE, "utf-8")
    c.write_text(EXAMPLE_IN_C, "utf-8")
    assert list(functions(cython)) == [("f", 2, 3), ("g", 1, 4)]
    assert list(functions(c)) == [("one", 1, 3), ("two_##real", 2, 6)]


@pytest.mark.parametrize("path", SOURCES, ids=[path.name for path in SOURCES])
def test_lines_are_at_most_127_columns_long(path):
    long = [number for number, line in enumerate(path.read_text("utf-8").split("\n"), 1) if len(line) > MOST_COLUMNS]
    assert not long


@pytest.mark.parametrize("path", [path for path in CYTHON if path.parent.name != "machine"], ids=lambda path: path.name)
def test_each_parallel_loop_calls_threads_for(path):
    assert not [
        threads for threads in parallel_loops(path.read_text("utf-8")) if not threads.startswith(("threads_for(", "parameter"))
    ]


def test_parallel_loops_with_another_number_of_threads_are_detected():
    text = "cdef int threads = threads_for(3)\nfor a in prange(4, nogil=True, num_threads=threads):\nfor b in prange(4):\n"
    text += "cdef int n = 2\nfor c in prange(4, num_threads=n):\ndef f(int k):\n    for d in prange(4, num_threads=k):\n"
    assert list(parallel_loops(text)) == ["threads_for(3)", "", "2", "parameter"]


def test_the_readme_lists_each_folder_and_has_valid_links():
    text = (CORE / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)#\s]+)\)", re.sub(r"`[^`]*`", "", text))
    assert not [link for link in links if not (CORE / link).exists()]
    folders = {path.parent.name for path in SOURCES} | {"isa"}
    assert set(re.findall(r"^\| \[`(\w+)/`\]\((?:\1)\)", text, re.M)) == folders
