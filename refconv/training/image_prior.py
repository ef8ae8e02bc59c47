"""Deep Image Prior: restoration of an image by fitting an untrained network to it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from refconv._arguments import choice, integer, real
from refconv._errors import ArgumentTypeError, ArgumentValueError
from refconv.models.deep_image_prior import deep_image_prior
from refconv.optim import SGD
from refconv.training.arguments import found
from refconv.training.callbacks import Callback
from refconv.training.fit import fit
from refconv.training.losses import MeanSquaredError

if TYPE_CHECKING:
    from refconv.training.run import Run
    from refconv.typing import Array, Shape

__all__ = ["fit_image", "meshgrid"]

NOISE_CHANNELS, NOISE_MOST = 32, 0.1  # z = "noise" is drawn from U[0, 1/10], as in the paper
LR = 1.0


def fit_image(
    damaged: Array,
    known: Array | None = None,
    *,
    steps: int,
    seed: int = 0,
    z: str | Array = "noise",
    skip: int = 4,
    smooth: float = 0.98,
    depth: int = 4,
    width: float = 0.25,
    jitter: float = 0.01,
    on_step: Callable[[int, Array], Any] = lambda step, image: None,
    callbacks: Sequence[Callback] = (),
) -> Array:
    r"""Restore an image by fitting an untrained hourglass network to it.

    .. math:: \min_\theta \left\| (f_\theta(z) - x_0) \odot m \right\|^2

    The input z is fixed. The network reproduces the image before it reproduces the damage. The optimiser is SGD with momentum;
    the paper uses Adam.

    Parameters
    ----------
    damaged : array (H, W, C)
        x₀, with values from 0 to 1; height and width must be divisible by 2^depth and at least 2^(depth + 1).
    known : array (H, W, 1), optional
        m, which is 1 where the image is known and 0 elsewhere. By default the whole image is known.
    steps : int
        Number of steps. With too many steps, the network also reproduces the damage.
    seed : int
        Seed for the weights, for z = "noise" and for the jitter.
    z : {"noise", "meshgrid"} or array (H, W, K)
        Input of the network: 32 channels from U[0, 1/10]; the coordinates of each pixel, see :func:`meshgrid`; or any array.
        The paper uses a meshgrid and no skip connections for large holes.
    skip : int
        Channels of each skip connection; 0 for none.
    smooth : float
        Weight of the previous value in the running average of the network's outputs, which is the result.
    depth, width
        Parameters of :func:`refconv.models.deep_image_prior`.
    jitter : float
        Standard deviation of the noise added to z in each step, which prevents overfitting.
    on_step : callable
        Function that is called in each step with the number of the step, from 0, and the network's output (H, W, C) before the
        weights change.
    callbacks : sequence of Callback
        Callbacks of :func:`refconv.training.fit`. A callback that sets ``run.stop`` ends the run after the step.

    Returns
    -------
    array (H, W, C), float32
        The network's smoothed output, also at the known pixels.

    Raises
    ------
    Diverged
        If the loss is not finite. The error is a ``FloatingPointError``.
    TypeError, ValueError
        If an argument is not valid.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((16, 24, 3), np.float32)
    >>> fit_image(image, steps=2, depth=2, width=0.125, z="meshgrid", skip=0).shape
    (16, 24, 3)

    Source: lecture rows M17 and D2 (SOURCES.md); Ulyanov, Vedaldi and Lempitsky, "Deep image prior", 2017.
    """
    damaged, mask = _checked(damaged, known)
    steps, jitter = integer("steps", steps), real("jitter", jitter, least=0)
    rng = np.random.default_rng(integer("seed", seed, least=0))
    fixed = _network_input(z, damaged.shape[:2], rng)[None]
    model = deep_image_prior(damaged.shape[2], width, depth=depth, skip=skip)
    model.build(fixed.shape[1:], rng)
    target = np.where(mask == 0, np.zeros_like(damaged), damaged)[None]  # an unknown pixel may be NaN, and 0 · NaN = NaN
    batches = ((fixed + jitter * rng.standard_normal(fixed.shape, np.float32), target) for _ in range(steps))
    optimizer = SGD(model, LR * damaged.shape[2], momentum=0.9)  # because the loss is also a mean over the channels
    average = AverageOutput(real("smooth", smooth, least=0, below=1), on_step)
    with warnings.catch_warnings():  # the running averages do not matter, because the network is never used in inference
        warnings.filterwarnings("ignore", "model outputs differ between inference and training")
        fit(model, batches, optimizer, epochs=1, loss=MaskedSquaredError(mask), callbacks=[average, *callbacks])
    return average.image


def meshgrid(height: int, width: int) -> Array:
    """Return the coordinates of each pixel, from 0 to 1: an array (height, width, 2).

    The first channel is the coordinate along y and the second along x.

    >>> meshgrid(2, 3)[..., 0].tolist(), meshgrid(2, 3)[..., 1].tolist()
    ([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], [[0.0, 0.5, 1.0], [0.0, 0.5, 1.0]])

    Source: lecture row D2 (SOURCES.md).
    """
    axes = (np.linspace(0, 1, integer(name, n), dtype=np.float32) for name, n in (("height", height), ("width", width)))
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


class MaskedSquaredError:
    """Mean squared error of the known pixels; unknown pixels have the error 0."""

    def __init__(self, mask: Array) -> None:
        self.mask, self.squared_error = mask, MeanSquaredError()

    def __call__(self, image: Array, target: Array) -> tuple[float, Array]:
        value, dimage = self.squared_error(self.mask * image, self.mask * target)
        return value, self.mask * dimage


class AverageOutput(Callback):
    """Callback that computes a running average of the network's outputs, from the first one on."""

    def __init__(self, smooth: float, on_step: Callable[[int, Array], Any]) -> None:
        self.smooth, self.on_step = smooth, on_step
        self.image: Any = None  # set in the first step

    def on_step_end(self, run: Run) -> None:
        scores: Any = run.scores
        (image,) = scores
        self.image = image if self.image is None else self.smooth * self.image + (1 - self.smooth) * image
        self.on_step(run.step - 1, image)


def _checked(damaged: Any, known: Any) -> tuple[Array, Array]:
    """Return the image, and its mask in the same type."""
    damaged = np.asarray(damaged)
    if damaged.dtype not in (np.float32, np.float64):
        raise ArgumentTypeError(f"damaged must be float32 or float64 with values from 0 to 1, got {damaged.dtype}")
    if damaged.ndim != 3:
        raise ArgumentValueError(f"damaged must have shape (H, W, C), got {damaged.shape}")
    shape = (*damaged.shape[:2], 1)
    mask = np.ones(shape) if known is None else np.asarray(known)
    if mask.shape != shape:
        raise ArgumentValueError(f"known must have shape {shape}, got {mask.shape}")
    if not np.isin(mask, (0, 1)).all():
        raise ArgumentValueError("known must contain only 0 and 1, got other values")
    if not mask.any():
        raise ArgumentValueError("known must be 1 for at least one pixel, got only zeros")
    return damaged.astype(np.float32), mask.astype(np.float32)


def _network_input(z: Any, size: Shape, rng: np.random.Generator) -> Array:
    """Return the array z, or the one that its name stands for."""
    if isinstance(z, str):
        if choice("z", z, ("noise", "meshgrid")) == "meshgrid":
            return meshgrid(*size)
        return rng.uniform(0, NOISE_MOST, (*size, NOISE_CHANNELS)).astype(np.float32)
    z = np.asarray(z)
    if z.ndim != 3 or z.shape[:2] != size:
        expected = f"'noise', 'meshgrid' or an array of shape ({size[0]}, {size[1]}, K)"
        raise ArgumentValueError(f"z must be {expected}, got {found(z)}")
    return z.astype(np.float32)
