"""Pictures of architectures for the notebooks: drawings side by side, without margins."""

import io

from IPython.display import Image
from PIL import Image as Pixels
from PIL import ImageOps

from refconv import nn
from refconv.drawing import architecture_picture

__all__ = ["blocks", "network"]

BLOCK_SCALE, NETWORK_SCALE = 0.6, 0.8  # as fractions of the drawing's size on a slide
COLOURS = 24
TITLE_HEIGHT = 95  # pixels at the top of a page; the title is cut off
GAP = 60  # pixels between two blocks


def network(model, shape) -> Image:
    """Draw a network as volumes, one for the output of each stage, or as a U.

    Parameters
    ----------
    model : Layer
        The model need not be built.
    shape : tuple of int
        The shape of one input, without the batch.
    """
    return _sheet([_page(architecture_picture(model, shape, ""))], NETWORK_SCALE)


def blocks(**chosen) -> Image:
    """Draw blocks side by side; each keyword is a title, with a layer and its input shape."""
    pages = []
    for name, (layer, shape) in chosen.items():
        title = name.replace("_", " ")
        pages.append(_page(architecture_picture(nn.Sequential(**{title: layer}), shape, "", block=title)))
    return _sheet(pages, BLOCK_SCALE)


def _page(png):
    page = Pixels.open(io.BytesIO(png)).convert("RGB")
    page = page.crop((0, TITLE_HEIGHT, *page.size))
    return page.crop(ImageOps.invert(page).getbbox())


def _sheet(pages, scale):
    """Return all pages in one picture of few colours, which keeps a notebook small."""
    width = sum(page.width for page in pages) + GAP * (len(pages) + 1)
    sheet, left = Pixels.new("RGB", (width, max(page.height for page in pages) + 20), "white"), GAP
    for page in pages:
        sheet.paste(page, (left, 10))
        left += page.width + GAP
    size = (round(sheet.width * scale), round(sheet.height * scale))
    content, small = io.BytesIO(), sheet.resize(size, Pixels.Resampling.LANCZOS)
    colours = sheet.quantize(COLOURS, Pixels.Quantize.MAXCOVERAGE)  # colours far apart, so that a thin arrow keeps its colour
    small.quantize(palette=colours, dither=Pixels.Dither.NONE).save(content, "PNG", optimize=True)
    return Image(data=content.getvalue())
