"""F17, scale: a zoomed digit does not give zoomed maps; training keeps the answer constant.

    python figures/f17_scale.py --show

Watch C1 while the 9 grows: its kernels keep their size and the strokes get wider, so the last map becomes stronger and others
fade. If C1 commuted with zooming, its maps would equal the zoomed maps of zoom 1. The number below C1 is the norm of the
difference, in percent of the norm of these zoomed maps; C1's maps of an empty image are subtracted first. Nevertheless, the
network with these maps answers 9 from zoom 0.5 on, because it was trained on digits zoomed by up to 40 % in or out. A network
trained on unchanged digits answers 9 from 0.7 on; its accuracy falls sooner in both directions. The curves are from
``f17_moved_digits``, which trains both networks. Each map has its own colour scale.
Source: lecture rows D11, F17 and C11 (SOURCES.md), after LeCun's animation.
"""

import canvas
import numpy as np
from f17_moved_digits import moved
from feature_maps import Demonstration


def draw():
    """Draw a frame for each zoom factor."""
    demonstration = Demonstration("zoom")
    background = demonstration.maps(np.zeros((32, 32), np.uint8))["C1"]
    unzoomed = demonstration.stages[1.0]["C1"] - background
    frames = []
    for zoom in demonstration.steps:
        difference = _difference(demonstration.stages[zoom]["C1"] - background, _zoomed(unzoomed, zoom))
        notes = {"input": f"zoom {zoom:g}", "S2": f"C1 and the zoomed C1 of zoom 1 differ by {difference:.0f} %"}
        frames.append(demonstration.frame(zoom, "A zoomed digit does not give zoomed maps", notes))
    return canvas.Animation(frames, [1200, *[450] * (len(frames) - 2), 1200])


def _zoomed(maps, zoom):
    """Return maps (H, W, C) zoomed about their centre, as the digit is; zeros enter at the edge."""
    channels = np.moveaxis(maps, -1, 0).astype(np.float32)
    return np.stack([moved(channel, "zoom", zoom) for channel in channels], axis=-1)


def _difference(maps, other):
    return 100 * np.linalg.norm(maps - other) / np.linalg.norm(other)


if __name__ == "__main__":
    canvas.main(draw)
