"""Command ``refconv restore``: remove noise from a photograph, or fill in its missing parts."""

from __future__ import annotations

import io
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refconv._errors import ArgumentValueError
from refconv._optional import need
from refconv.cli.arguments import positive, seed
from refconv.cli.command import Command, Failure
from refconv.cli.console import bar, say
from refconv.cli.output_files import check_overwrite
from refconv.cli.parser import Parser

if TYPE_CHECKING:
    from refconv.typing import Array, Shape

__all__ = ["COMMAND"]

DESCRIPTION = """\
Remove noise from a photograph, or fill in its missing parts, with an untrained network (Deep Image Prior).

The network begins with random weights and a random input, is fitted to this one photograph, and has seen no other image. It
reproduces the photograph before the noise of the photograph, so too many steps bring this noise back.

With --mask, the network restores the pixels that are black in the mask, and the other pixels keep their colours. The mask is
an image of the photograph's size. For a large hole, add --large-hole: the input is then a grid of coordinates, and the network
has no skip connections, so it continues large structures instead of adding texture.

A larger photograph is first scaled down to --size, because the time of a step grows with the number of pixels. Any height
and width are allowed: a border of unknown pixels makes both divisible by 16, as the network requires, and is cut off. At
256 × 256 pixels, a step took 0.4 seconds on two cores that were also used by other programs.

Ctrl-C (or SIGTERM) stops the run after the current step and saves the result so far. A second Ctrl-C stops it at once, without
a result.
"""

SMALLEST_SHARE = 0.01  # known share of the area of a scaled pixel; with less, the pixel is missing
DEPTH = 4  # number of times the network halves the size
DENOISING_JITTER, INPAINTING_JITTER = 1 / 30, 0.01  # standard deviation of the noise added to the input in each step


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("photo", metavar="PHOTO", help="image file: PNG, JPEG, …; it is not changed")
    add("--mask", metavar="FILE", help="image that is black where pixels are missing and white elsewhere")
    add("--large-hole", action="store_true", help="use the settings for large holes")
    add("--out", metavar="FILE", help="output file, .png (default: PHOTO-restored.png in the current folder)")
    add("--overwrite", action="store_true", help="replace an existing output file")
    add("--size", type=positive, default=256, metavar="N", help="longer side in pixels, at most (default: %(default)s)")
    add("--steps", type=positive, default=1200, metavar="N", help="number of training steps (default: %(default)s)")
    add("--seed", type=seed, default=0, metavar="N", help="seed for the weights and the input (default: %(default)s)")


def run(options: Namespace) -> None:
    for module in ("tqdm", "PIL"):
        need(module, "train", "refconv restore")
    from refconv._config import get_config
    from refconv._files import write_atomically

    if options.mask == "":  # an unset variable of the shell; without a mask, noise would be removed
        raise ArgumentValueError("--mask must be a file, got an empty name")
    if options.large_hole and not options.mask:
        raise ArgumentValueError("--mask must be given with --large-hole, got none")
    path = _output_path(options)
    image, known = _read(options)
    (height, width), missing = image.shape[:2], 1 - known.mean()
    purpose = f"fill in {100 * missing:.1f} % of the pixels" if options.mask else "remove noise"
    config = get_config()
    say(f"{options.photo}: {height}×{width} pixels, {purpose}, {config.engine} on {config.threads} thread(s)")
    restored = _restore(image, known, options)
    write_atomically(path, _png(restored))
    say(f"wrote {path}")


def _output_path(options: Namespace) -> Path:
    """Return the path of the output file.

    Check before minutes of computation that it can be written.
    """
    path = Path(options.out or f"{Path(options.photo).stem}-restored.png")
    if path.suffix.lower() != ".png":
        raise ArgumentValueError(f"--out must end in .png, got {path}")
    for option, source in (("PHOTO", options.photo), ("--mask", options.mask)):
        if source and path.exists() and Path(source).exists() and path.samefile(source):
            raise ArgumentValueError(f"--out must differ from {option}, got {path} for both")
    check_overwrite(path, options.overwrite)
    folder = next(parent for parent in path.absolute().parents if parent.exists())  # missing folders are created later
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ArgumentValueError(f"--out must be a file in a writable folder, got {path}")
    return path


def _read(options: Namespace) -> tuple[Array, Array]:
    """Return the photograph (H, W, 3) and the mask (H, W, 1) of its known pixels, scaled down.

    Colours are from 0 to 1, and the mask is 1 at known pixels and 0 elsewhere.
    """
    import numpy as np

    from refconv.data.pictures import open_picture

    image = np.asarray(open_picture(options.photo), np.float32) / 255
    if not options.mask:
        return _scaled(image, options.size), np.ones((*_size(image.shape, options.size), 1), np.float32)
    levels = np.asarray(open_picture(options.mask, "L"))
    if levels.shape != image.shape[:2]:
        expected, found = ("×".join(map(str, shape)) for shape in (image.shape[:2], levels.shape))
        raise ArgumentValueError(f"--mask must have the size of the photograph, {expected}, got {found} in {options.mask}")
    known = (levels >= 128).astype(np.float32)[..., None]
    for colour, level, meaning in (("black", 0, "missing"), ("white", 1, "known")):
        if not (known == level).any():
            raise ArgumentValueError(f"--mask must be {colour} where pixels are {meaning}, got no {colour} in {options.mask}")
    share = _scaled(known, options.size)
    image = _scaled(image * known, options.size) / np.maximum(share, SMALLEST_SHARE)  # mean colour of the known pixels
    return image, (share >= SMALLEST_SHARE).astype(np.float32)


def _size(shape: Shape, longest: int) -> Shape:
    """Return height and width after scaling down an image to this length of its longer side."""
    scale = min(1, longest / max(shape[:2]))
    return tuple(max(1, round(n * scale)) for n in shape[:2])


def _scaled(image: Array, longest: int) -> Array:
    """Scale down an image (H, W, C); each new pixel is the mean of the area that it covers."""
    import numpy as np

    pillow = need("PIL.Image", "train", "refconv restore")
    height, width = _size(image.shape, longest)
    if (height, width) == image.shape[:2]:
        return image
    channels = (pillow.fromarray(channel) for channel in np.moveaxis(image, -1, 0))  # Pillow has no colour images of float32
    return np.stack([np.asarray(channel.resize((width, height), pillow.Resampling.BOX)) for channel in channels], -1)


def _restore(image: Array, known: Array, options: Namespace) -> Array:
    """Return the restored image; with a mask, known pixels keep their colours."""
    import numpy as np

    from refconv._config import keep_freed_memory
    from refconv.cli.stop import StopOnSignal, stop_signals
    from refconv.training import Diverged, fit_image

    keep_freed_memory()
    height, width = image.shape[:2]
    # The network halves the size DEPTH times, and its smallest image needs two pixels along each axis.
    border = [(0, max(-n % 2**DEPTH, 2 ** (DEPTH + 1) - n)) for n in (height, width)] + [(0, 0)]
    settings: dict[str, Any] = {"z": "meshgrid", "skip": 0} if options.large_hole else {}
    jitter = INPAINTING_JITTER if options.mask else DENOISING_JITTER
    with stop_signals() as received, bar("restoring", options.steps, "steps") as progress:
        try:
            fitted = fit_image(
                np.pad(image, border),
                np.pad(known, border),  # the border is unknown
                steps=options.steps,
                seed=options.seed,
                depth=DEPTH,
                jitter=jitter,
                on_step=lambda step, output: progress(1),
                callbacks=[StopOnSignal(received)],
                **settings,
            )[:height, :width]
        except Diverged as error:
            raise Failure(f"{str(error).partition(';')[0]}; try another --seed") from error
    if received():
        say("stopped; saving the result so far")
    return np.where(known, image, fitted) if options.mask else fitted


def _png(image: Array) -> bytes:
    """Encode an image with values from 0 to 1 as a PNG file."""
    import numpy as np

    pillow = need("PIL.Image", "train", "refconv restore")
    content = io.BytesIO()
    pillow.fromarray(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)).save(content, "PNG")
    return content.getvalue()


COMMAND = Command(
    "restore",
    "remove noise from a photograph, or fill in its missing parts",
    DESCRIPTION,
    add_arguments,
    run,
    can_be_quiet=True,
)
