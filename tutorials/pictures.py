"""Pictures of architectures between two paragraphs: refconv's own drawings, side by side and without their margins."""

import io

from IPython.display import Image
from PIL import Image as Pixels
from PIL import ImageOps

from refconv import nn
from refconv.drawing import architecture_picture

__all__ = ["blocks", "network"]

BLOCK, NETWORK = 0.6, 0.8  # of the drawing's size on a slide
COLOURS = 24
HEAD = 95  # pixels at the top of a page, its title, which a block by itself needs not
GAP = 60


def network(model, shape) -> Image:
    """A network: volumes for what each stage makes, or a U.

    Parameters
    ----------
    model : Layer
        It need not be built.
    shape : tuple of int
        One input, without the batch.
    """
    return _sheet([_page(architecture_picture(model, shape, ""))], NETWORK)


def blocks(**chosen) -> Image:
    """Blocks side by side; each keyword is a title, with a layer and the shape of its input."""
    pages = []
    for name, (layer, shape) in chosen.items():
        title = name.replace("_", " ")
        pages.append(_page(architecture_picture(nn.Sequential(**{title: layer}), shape, "", block=title)))
    return _sheet(pages, BLOCK)


def _page(png):
    page = Pixels.open(io.BytesIO(png)).convert("RGB")
    page = page.crop((0, HEAD, *page.size))
    return page.crop(ImageOps.invert(page).getbbox())


def _sheet(pages, scale):
    """All pages in one picture of few colours, which keeps a notebook small."""
    width = sum(page.width for page in pages) + GAP * (len(pages) + 1)
    sheet, left = Pixels.new("RGB", (width, max(page.height for page in pages) + 20), "white"), GAP
    for page in pages:
        sheet.paste(page, (left, 10))
        left += page.width + GAP
    size = (round(sheet.width * scale), round(sheet.height * scale))
    content, small = io.BytesIO(), sheet.resize(size, Pixels.Resampling.LANCZOS)
    colours = sheet.quantize(COLOURS, Pixels.Quantize.MAXCOVERAGE)  # as far apart as can be: a thin arrow keeps its own
    small.quantize(palette=colours, dither=Pixels.Dither.NONE).save(content, "PNG", optimize=True)
    return Image(data=content.getvalue())
