"""Tests of the image sizes that U-Net and the hourglass of Deep Image Prior accept."""

import re

import numpy as np
import pytest

from refconv import models


def accepts(network, shape, lost=0):
    """Return True if the layers accept the shape and the output is smaller by ``lost`` pixels.

    The size rule of the network is disabled.
    """
    network.rule, rule = None, network.rule
    try:
        return network.output_shape(shape)[:2] == tuple(n - lost for n in shape[:2])
    except ValueError:
        return False
    finally:
        network.rule = rule


def refusal(network, shape):
    try:
        network.output_shape(shape)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_unet_accepts_exactly_the_sizes_that_its_layers_can_halve(padding, depth):
    network = models.unet(width=0.05, padding=padding, depth=depth)
    lost = {1: 4, 2: 16, 3: 40, 4: 88, 5: 184}[depth] if padding == "valid" else 0
    sizes = range(1, min(260, lost + 8 * 2**depth))
    fits = [n for n in sizes if accepts(network, (n, n, 1), lost)]
    assert fits == [n for n in sizes if refusal(network, (n, n, 1)) is None]
    assert len(fits) >= 5
    assert refusal(network, (fits[0], fits[2], 1)) is None


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("skip", [0, 4])
def test_the_hourglass_accepts_exactly_the_sizes_that_it_returns(depth, skip):
    network = models.deep_image_prior(width=0.05, depth=depth, skip=skip)
    fits = [n for n in range(1, 100) if accepts(network, (n, n, 32))]
    assert fits == [n for n in range(1, 100) if refusal(network, (n, n, 32)) is None]
    assert len(fits) >= 5


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("unet-same", (250, 250), "height and width must be divisible by 16, got (250, 250)"),
        ("unet-same-small", (64, 50), "height and width must be divisible by 4, got (64, 50)"),
        ("unet", (560, 572), "height and width must be 188 plus a multiple of 16, such as 556 or 572, got (560, 572)"),
        ("unet", (32, 32), "height and width must be 188 plus a multiple of 16, such as 188 or 204, got (32, 32)"),
        ("deep-image-prior", (72, 64), "height and width must be divisible by 32 and at least 64, got (72, 64)"),
    ],
)
def test_the_error_about_an_image_size_lists_valid_sizes(name, size, message):
    model = models.create(name)
    shape = (*size, models.input_shape(name)[2])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.build(shape)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.count_parameters(shape)
    for call in (model, model.forward):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            call(np.zeros((1, *shape), np.float32))
