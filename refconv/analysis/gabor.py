r"""Gabor functions: filters that the first layers of networks learn.

A Gabor function is a wave with a Gaussian envelope. As a filter it detects edges or lines of one direction, width and
position. Simple cells of the primary visual cortex respond like such filters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from refconv._arguments import integer, real
from refconv._errors import ArgumentValueError
from refconv.nn import Conv2D
from refconv.typing import Array, Shape, Size

__all__ = ["Likeness", "gabor", "gabor_bank", "gabor_layer", "likest_gabor"]

PHASES = (0.0, math.pi / 2)  # even, for lines; odd, for edges
WAVELENGTHS = (3.0, 4.5, 6.5)
ASPECT = 0.6


def gabor(size: int, wavelength: float, direction: float, phase: float = 0.0, aspect: float = ASPECT) -> Array:
    r"""Return a Gabor function on a square of pixels, with mean 0 and norm 1.

    .. math:: g(x, y) = \exp\!\left(-\frac{x'^2 + \gamma^2 y'^2}{2 \sigma^2}\right)
              \cos\!\left(\frac{2 \pi x'}{\lambda} + \phi\right), \qquad \begin{pmatrix} x' \\ y' \end{pmatrix} =
              \begin{pmatrix} \cos\theta & \sin\theta \\ -\sin\theta & \cos\theta \end{pmatrix}
              \begin{pmatrix} x \\ y \end{pmatrix}, \qquad \sigma = \lambda / 2

    Parameters
    ----------
    size : int
        Height and width in pixels, at least 2.
    wavelength : float
        λ in pixels, above 0.
    direction : float
        θ in radians, the direction of the wave, measured from the direction of the rows downwards. Edges and lines are
        perpendicular to it.
    phase : float
        φ in radians.
    aspect : float
        γ, length of the envelope along the wave divided by its length across; below 1 it is longer across.

    Returns
    -------
    array (size, size)

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, size is below 2 (one pixel with mean 0 would be 0), or wavelength is not above 0.

    Examples
    --------
    >>> gabor(7, wavelength=4, direction=0)[3].round(2).tolist()  # along the wave
    [0.0, -0.19, 0.01, 0.35, 0.01, -0.19, 0.0]

    Source: lecture row M18 (SOURCES.md); Daugman, "Uncertainty relation for resolution in space, spatial frequency, and
    orientation optimized by two-dimensional visual cortical filters", 1985.
    """
    size = integer("size", size, least=2)
    real("wavelength", wavelength, above=0)
    theta, phi, gamma = real("direction", direction), real("phase", phase), real("aspect", aspect)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    along, across = x * math.cos(theta) + y * math.sin(theta), y * math.cos(theta) - x * math.sin(theta)
    envelope = np.exp(-(along**2 + (gamma * across) ** 2) / (2 * (wavelength / 2) ** 2))
    wave: Array = envelope * np.cos(2 * math.pi * along / wavelength + phi)
    wave -= envelope * (wave.sum() / envelope.sum())  # with mean 0, the response to uniform brightness is 0
    wave /= np.linalg.norm(wave)
    return wave


def gabor_bank(size: int = 11, directions: int = 8, wavelengths: float | Sequence[float] = WAVELENGTHS) -> Array:
    """Return Gabor functions of several directions and wavelengths as kernels of a convolution.

    For each direction and wavelength there is an even and an odd function.

    Parameters
    ----------
    size : int
        Height and width in pixels.
    directions : int
        Number of directions, evenly distributed over 180°.
    wavelengths : sequence of float
        Wavelengths in pixels.

    Returns
    -------
    array (size, size, 1, directions · wavelengths · 2)
        The kernels, ordered by direction, then wavelength, then phase.

    Raises
    ------
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> gabor_bank(9, directions=4, wavelengths=(4, 6)).shape
    (9, 9, 1, 16)

    Source: lecture row M18 (SOURCES.md).
    """
    angles, wavelengths = _angles(directions), _several(wavelengths)
    kernels = [gabor(size, wavelength, angle, phase) for angle in angles for wavelength in wavelengths for phase in PHASES]
    return np.stack(kernels, -1)[:, :, None]


def gabor_layer(
    size: int = 11, directions: int = 8, wavelengths: float | Sequence[float] = WAVELENGTHS, **arguments: Any
) -> Conv2D:
    """Create a convolution layer whose initial kernels are Gabor functions.

    They are the same for each input channel. Further arguments are passed to :class:`refconv.nn.Conv2D`.

    >>> gabor_layer(7, directions=4, wavelengths=(4,), stride=2, padding="same").output_shape((32, 30, 3))
    (16, 15, 8)

    Source: lecture row M18 (SOURCES.md).
    """
    bank = gabor_bank(size, directions, wavelengths)

    def begin(rng: np.random.Generator, shape: Shape) -> Array:
        return np.broadcast_to(bank, shape) / shape[2]

    return Conv2D(bank.shape[-1], size, initializer=begin, **arguments)


class Likeness(NamedTuple):
    """Gabor function that is most similar to a filter.

    ``explained`` is the fraction of the filter's energy that it explains, from 0 to 1.
    """

    explained: float
    wavelength: float
    direction: float


def likest_gabor(
    kernel: Size, directions: int = 12, wavelengths: float | Sequence[float] = (2.5, 3.0, 3.5, 4.5, 5.5, 7.0, 9.0)
) -> Likeness:
    r"""Find the Gabor function that is most similar to a filter, with any phase.

    The similarity is the fraction of the filter's energy that the function explains:

    .. math:: \frac{\langle w, g_0 \rangle^2 + \langle w, g_{\perp} \rangle^2}{\langle w, w \rangle}

    where g₀ and g⊥ span the waves of all phases.

    Parameters
    ----------
    kernel : array (size, size)
        One channel of one filter; its mean is subtracted first.
    directions, wavelengths
        Directions and wavelengths to search, as in :func:`gabor_bank`.

    Returns
    -------
    Likeness

    Raises
    ------
    TypeError, ValueError
        If the kernel is not square, if all its elements are equal, or if another argument is not valid.

    Examples
    --------
    >>> likeness = likest_gabor(gabor(9, wavelength=4.2, direction=np.pi / 3, phase=0.7))
    >>> likeness.explained > 0.9, likeness.wavelength, round(likeness.direction / np.pi, 3)
    (True, 4.5, 0.333)

    Source: lecture row M18 (SOURCES.md).
    """
    w = np.asarray(kernel, float)
    if w.ndim != 2 or w.shape[0] != w.shape[1]:
        raise ArgumentValueError(f"kernel must be a square array, got shape {w.shape}")
    rounding_error = w.size * np.finfo(float).eps * np.abs(w).mean()  # bound for the mean of equal elements
    w = w - w.mean()
    if np.abs(w).max() <= rounding_error:
        raise ArgumentValueError("kernel must have at least two different elements, got equal ones")
    candidates = []
    for direction in _angles(directions):
        for wavelength in _several(wavelengths):
            waves = np.stack([gabor(len(w), wavelength, direction, phase).ravel() for phase in PHASES], 1)
            basis, _ = np.linalg.qr(waves)
            candidates.append(Likeness(float(((w.ravel() @ basis) ** 2).sum() / (w**2).sum()), wavelength, direction))
    return max(candidates)


def _angles(directions: int) -> list[float]:
    """Return ``directions`` angles, evenly distributed over 180°."""
    directions = integer("directions", directions)
    return [math.pi * k / directions for k in range(directions)]


def _several(wavelengths: float | Sequence[float]) -> Sequence[float]:
    if not np.iterable(wavelengths) or not len(wavelengths):
        raise ArgumentValueError(f"wavelengths must be a sequence of at least one number, got {wavelengths!r}")
    return wavelengths
