"""Command ``python -m figures``: redraw the pictures and rewrite the gallery in README.md.

With ``--measure`` it first repeats the experiments whose results the pictures show.
"""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

from refconv._ascii import use_ascii_forms
from refconv._progress import bar, bars_cleared
from refconv.cli.parser import Parser, did_you_mean

FOLDER = Path(__file__).resolve().parent
SCRIPTS = {script.stem: script for script in sorted(FOLDER.glob("f[0-9]*.py"))}
TRAINING = "lenet_training"  # its picture is drawn by a training run


def main():
    """Draw the named figures, or all figures if none is named."""
    sys.path.insert(0, str(FOLDER))  # The scripts import canvas.py from their own folder, as if run by path.
    import canvas

    use_ascii_forms()
    parser = Parser("python -m figures", __doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figure to draw, such as f05_im2col or f05 (default: all)")
    parser.add_argument("--measure", action="store_true", help="repeat the experiments first, which takes many minutes")
    options = parser.parse_args()
    known = [*SCRIPTS, TRAINING]
    if unknown := [name for name in options.names if not any(script.startswith(name) for script in known)]:
        parser.error(f"NAME must be one of {', '.join(known)}, got {unknown[0]!r}{did_you_mean(unknown[0], known)}")
    chosen = [name for name in known if not options.names or name.startswith(tuple(options.names))]
    with bar("drawing", len(chosen), "pictures") as advance:
        for name in chosen:
            advance(0, name)
            make(name, canvas, options.measure)
            advance(1)
    canvas.write_atomically(FOLDER / "README.md", gallery().encode())


def make(name, canvas, again):
    """Draw one figure; ``again`` repeats its experiment first."""
    if name == TRAINING:  # a separate process, because it uses another matplotlib style
        with bars_cleared():
            subprocess.run([sys.executable, str(FOLDER / f"{TRAINING}.py")], check=True)
        return
    script = importlib.import_module(name)
    canvas.make(script.draw, getattr(script, "measure", None), again)


def gallery() -> str:
    """Return the gallery in Markdown: each picture with the docstring of its script."""
    blocks = [
        "# The figures",
        "Each script draws the picture of the same name from numbers that refconv computes; `python -m figures` draws all. "
        "`Source:` lists rows of [SOURCES.md](../SOURCES.md).",
    ]
    for name, script in SCRIPTS.items():
        title, command, *text = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))).split("\n\n")
        picture = next(path for ending in (".png", ".gif") if (path := FOLDER / f"{name}{ending}").is_file())
        blocks += [f"## {title.rstrip('.')}", f"![{title}]({picture.name})", *text, f"`{command.strip()}`"]
    return "\n\n".join(blocks) + "\n"


if __name__ == "__main__":
    main()
