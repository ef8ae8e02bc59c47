"""``refconv draw``."""

from pathlib import Path

from refconv import weights
from refconv._optional import need
from refconv.commands.console import say
from refconv.commands.summary import chosen, variant
from refconv.drawing import architecture_picture

__all__ = ["draw"]


def draw(options) -> None:
    """Write a picture of an architecture."""
    need("matplotlib", "train", "refconv draw")
    model, shape = chosen(options)
    name = variant(options.model, options.small)
    path = Path(options.out or f"{name}.png")
    form = path.suffix.lower().removeprefix(".")
    if form not in ("png", "svg"):
        raise ValueError(f"--out must end in .png or .svg, but is {path}")
    if path.exists() and not options.overwrite:
        raise FileExistsError(f"{path} exists already; name another file with --out, or replace it with --overwrite")
    weights.write_atomically(path, architecture_picture(model, shape, name, block=options.block, form=form))
    say(f"wrote {path}")
