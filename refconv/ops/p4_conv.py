"""Convolutions that are equivariant to rotations by 90°, and their derivatives.

Functions on p4 are (batch, height, width, rotation, channels), with a rotation axis of length 4. Kernels are square:
(k, k, channels, outputs) for images, and (k, k, rotation, channels, outputs) for functions on p4.
"""

from refconv._arguments import per_axis
from refconv._errors import ArgumentValueError
from refconv.geometry import Window
from refconv.ops.check import as_float, axes, floats, same_shape
from refconv.ops.dispatch import implementation
from refconv.typing import Array, ArrayLike, Padding, Shape, Size

__all__ = [
    "p4_conv2d",
    "p4_conv2d_db",
    "p4_conv2d_dw",
    "p4_conv2d_dx",
    "p4_lift_conv2d",
    "p4_lift_conv2d_dw",
    "p4_lift_conv2d_dx",
    "p4_window",
]

IMAGES = ("batch", "height", "width", "channels")
ON_P4 = ("batch", "height", "width", "rotation", "channels")
KERNELS = ("kernel height", "kernel width", "channels", "outputs")
KERNELS_ON_P4 = ("kernel height", "kernel width", "rotation", "channels", "outputs")


def p4_lift_conv2d(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, padding: Padding = "valid") -> Array:
    r"""Compute a lifting convolution: each kernel is used in four orientations.

    .. math:: y_{i,j,r,o} = \mathrm{bias}_o + \sum_{m,n,c} x_{i + m,\; j + n,\; c} \; w_{p,q,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90° anticlockwise. The output is a function on p4, the
    group of translations and rotations by 90°. If x is rotated by 90°, y is rotated in space, and its rotation axis is shifted
    by one: ``np.roll(np.rot90(y, axes=(1, 2)), 1, axis=3)``.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        A batch of images.
    w : array (k, k, C, O), of x's type
        The kernels. They are square, since a rotation by 90° exchanges height and width.
    b : array (O,), of x's type, optional
        The bias. It is the same for all rotations.
    padding : str or int
        Zeros around the image, as in :func:`refconv.conv2d`. They must be equal on all sides: "valid", "full", an int, or
        "same" with an odd k.

    Returns
    -------
    array (N, rows, columns, 4, O), of x's type

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or have different types.
    ValueError
        If shapes or the padding do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 2, 1)
    >>> w = np.array([[1.0, 10], [100, 1000]]).reshape(2, 2, 1, 1)
    >>> p4_lift_conv2d(x, w, b=[0.5])[0, 0, 0, :, 0]
    array([5321.5, 2513.5, 1235.5, 3152.5])
    >>> p4_lift_conv2d(np.rot90(x, axes=(1, 2)), w, b=[0.5])[0, 0, 0, :, 0]
    array([3152.5, 5321.5, 2513.5, 1235.5])

    Source: lecture row D9 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016.
    """
    x, w, b = floats(x=x, w=w, b=b)
    window = _checked(axes("x", x, *IMAGES), _kernel(w, KERNELS), b, padding)
    return implementation("p4_conv").p4_lift_conv2d(x, w, b, window)


def p4_lift_conv2d_dx(dy: ArrayLike, w: ArrayLike, input_size: Size, *, padding: Padding = "valid") -> Array:
    r"""Compute ∂e/∂x of :func:`p4_lift_conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{u,v,c}} = \sum_{\substack{i,m:\, i + m = u \\ j,n:\, j + n = v}}
              \sum_{r,o} \frac{\partial e}{\partial y_{i,j,r,o}} \; w_{p,q,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90°. The indices u and v count from the edge of the
    padding. The derivatives of the padding itself are dropped.

    Parameters
    ----------
    dy : array (N, rows, columns, 4, O), float32 or float64
        ∂e/∂y.
    w : array (k, k, C, O), of dy's type
        The kernels of the forward pass.
    input_size : int or (int, int)
        Height and width of x in pixels.
    padding : str or int
        As in the forward pass.

    Returns
    -------
    array (N, H, W, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`p4_lift_conv2d`; also if dy does not have the output size of such an input.

    Examples
    --------
    >>> import numpy as np
    >>> dy = np.array([1.0, 10, 0, 0]).reshape(1, 1, 1, 4, 1)
    >>> w = np.array([[1.0, 2], [3, 5]]).reshape(2, 2, 1, 1)
    >>> p4_lift_conv2d_dx(dy, w, input_size=(2, 2))[0, :, :, 0]
    array([[21., 52.],
           [13., 35.]])

    Source: lecture row D9 (SOURCES.md).
    """
    dy, w = floats(dy=dy, w=w)
    size, window = _checked_dx(dy, _kernel(w, KERNELS), input_size, padding)
    return implementation("p4_conv").p4_lift_conv2d_dx(dy, w, size, window)


def p4_lift_conv2d_dw(x: ArrayLike, dy: ArrayLike, kernel_size: Size, *, padding: Padding = "valid") -> Array:
    r"""Compute ∂e/∂w of :func:`p4_lift_conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{p,q,c,o}} = \sum_{b,i,j,r} x_{b,\; i + m,\; j + n,\; c} \;
              \frac{\partial e}{\partial y_{b,i,j,r,o}}

    (m, n) is the place of the entry (p, q) of w after r rotations by 90°.

    Parameters
    ----------
    x : array (N, H, W, C), float32 or float64
        The input of the forward pass.
    dy : array (N, rows, columns, 4, O), of x's type
        ∂e/∂y.
    kernel_size : int or (int, int)
        k, in pixels; as a pair, (k, k).
    padding : str or int
        As in the forward pass.

    Returns
    -------
    array (k, k, C, O), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`p4_lift_conv2d`; also if dy does not have the output size of such an input and kernel.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2], [3, 5]]).reshape(1, 2, 2, 1)
    >>> dy = np.array([1.0, 10, 0, 0]).reshape(1, 1, 1, 4, 1)
    >>> p4_lift_conv2d_dw(x, dy, kernel_size=2)[:, :, 0, 0]
    array([[31., 12.],
           [53., 25.]])

    Source: lecture row D9 (SOURCES.md).
    """
    x, dy = floats(x=x, dy=dy)
    window = _checked_dw(axes("x", x, *IMAGES), dy, kernel_size, padding)
    return implementation("p4_conv").p4_lift_conv2d_dw(x, dy, window)


def p4_conv2d(x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, *, padding: Padding = "valid") -> Array:
    r"""Compute a p4 convolution, from functions on p4 to functions on p4.

    .. math:: y_{i,j,r,o} = \mathrm{bias}_o + \sum_{m,n,s,c} x_{i + m,\; j + n,\; s,\; c} \; w_{p,q,t,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90° anticlockwise, and t = s − r modulo 4. If x is rotated
    in space and its rotation axis is shifted by one, so is y: the layer commutes with
    ``np.roll(np.rot90(x, axes=(1, 2)), 1, axis=3)``.

    Parameters
    ----------
    x : array (N, H, W, 4, C), float32 or float64
        A batch of functions on p4, such as outputs of :func:`p4_lift_conv2d`.
    w : array (k, k, 4, C, O), of x's type
        The kernels. They are square, since a rotation by 90° exchanges height and width.
    b : array (O,), of x's type, optional
        The bias. It is the same for all rotations.
    padding : str or int
        As in :func:`p4_lift_conv2d`.

    Returns
    -------
    array (N, rows, columns, 4, O), of x's type

    Raises
    ------
    TypeError
        If the arrays are not float32, float64 or integers, or have different types.
    ValueError
        If shapes or the padding do not fit; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.array([1.0, 2, 3, 5]).reshape(1, 1, 1, 4, 1), np.array([1.0, 10, 100, 1000]).reshape(1, 1, 4, 1, 1)
    >>> p4_conv2d(x, w)[0, 0, 0, :, 0]
    array([5321., 1532., 2153., 3215.])

    Source: lecture row D9 (SOURCES.md); Cohen and Welling, "Group equivariant convolutional networks", 2016.
    """
    x, w, b = floats(x=x, w=w, b=b)
    window = _checked(_on_p4("x", x), _kernel(w, KERNELS_ON_P4), b, padding)
    return implementation("p4_conv").p4_conv2d(x, w, b, window)


def p4_conv2d_dx(dy: ArrayLike, w: ArrayLike, input_size: Size, *, padding: Padding = "valid") -> Array:
    r"""Compute ∂e/∂x of :func:`p4_conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial x_{u,v,s,c}} = \sum_{\substack{i,m:\, i + m = u \\ j,n:\, j + n = v}}
              \sum_{r,o} \frac{\partial e}{\partial y_{i,j,r,o}} \; w_{p,q,t,c,o}

    (p, q) is the entry of w that is at (m, n) after r rotations by 90°, and t = s − r modulo 4. The indices u and v count from
    the edge of the padding. The derivatives of the padding itself are dropped.

    Parameters
    ----------
    dy : array (N, rows, columns, 4, O), float32 or float64
        ∂e/∂y.
    w : array (k, k, 4, C, O), of dy's type
        The kernels of the forward pass.
    input_size : int or (int, int)
        Height and width of x in pixels.
    padding : str or int
        As in the forward pass.

    Returns
    -------
    array (N, H, W, 4, C), of dy's type

    Raises
    ------
    TypeError, ValueError
        As :func:`p4_conv2d`; also if dy does not have the output size of such an input.

    Examples
    --------
    >>> import numpy as np
    >>> w, dy = np.array([1.0, 2, 3, 5]).reshape(1, 1, 4, 1, 1), np.array([1.0, 10, 0, 0]).reshape(1, 1, 1, 4, 1)
    >>> p4_conv2d_dx(dy, w, input_size=1)[0, 0, 0, :, 0]
    array([51., 12., 23., 35.])

    Source: lecture row D9 (SOURCES.md).
    """
    dy, w = floats(dy=dy, w=w)
    size, window = _checked_dx(dy, _kernel(w, KERNELS_ON_P4), input_size, padding)
    return implementation("p4_conv").p4_conv2d_dx(dy, w, size, window)


def p4_conv2d_dw(x: ArrayLike, dy: ArrayLike, kernel_size: Size, *, padding: Padding = "valid") -> Array:
    r"""Compute ∂e/∂w of :func:`p4_conv2d` from ∂e/∂y.

    .. math:: \frac{\partial e}{\partial w_{p,q,t,c,o}} = \sum_{b,i,j,r} x_{b,\; i + m,\; j + n,\; s,\; c} \;
              \frac{\partial e}{\partial y_{b,i,j,r,o}}

    (m, n) is the place of the entry (p, q) of w after r rotations by 90°, and s = t + r modulo 4.

    Parameters
    ----------
    x : array (N, H, W, 4, C), float32 or float64
        The input of the forward pass.
    dy : array (N, rows, columns, 4, O), of x's type
        ∂e/∂y.
    kernel_size : int or (int, int)
        k, in pixels; as a pair, (k, k).
    padding : str or int
        As in the forward pass.

    Returns
    -------
    array (k, k, 4, C, O), of x's type

    Raises
    ------
    TypeError, ValueError
        As :func:`p4_conv2d`; also if dy does not have the output size of such an input and kernel.

    Examples
    --------
    >>> import numpy as np
    >>> x, dy = np.array([1.0, 2, 3, 5]).reshape(1, 1, 1, 4, 1), np.array([1.0, 10, 0, 0]).reshape(1, 1, 1, 4, 1)
    >>> p4_conv2d_dw(x, dy, kernel_size=1)[0, 0, :, 0, 0]
    array([21., 32., 53., 15.])

    Source: lecture row D9 (SOURCES.md).
    """
    x, dy = floats(x=x, dy=dy)
    window = _checked_dw(_on_p4("x", x), dy, kernel_size, padding)
    return implementation("p4_conv").p4_conv2d_dw(x, dy, window)


def p4_conv2d_db(dy: ArrayLike) -> Array:
    r"""Compute ∂e/∂b of both p4 convolutions: the sum over images, pixels and rotations.

    .. math:: \frac{\partial e}{\partial \mathrm{bias}_o} = \sum_{b,i,j,r} \frac{\partial e}{\partial y_{b,i,j,r,o}}

    Parameters
    ----------
    dy : array (N, rows, columns, 4, O), float32 or float64
        ∂e/∂y.

    Returns
    -------
    array (O,), of dy's type

    Raises
    ------
    TypeError, ValueError
        If dy is not a batch of functions on p4 of float32, float64 or integers.

    Examples
    --------
    >>> import numpy as np
    >>> p4_conv2d_db(np.array([[1.0, 10], [2, 20], [3, 30], [5, 50]]).reshape(1, 1, 1, 4, 2))
    array([ 11., 110.])

    Source: lecture row D9 (SOURCES.md).
    """
    return implementation("p4_conv").p4_conv2d_db(_on_p4("dy", as_float("dy", dy)))


def p4_window(kernel_size: Size, padding: Padding) -> Window:
    """Return the window of a p4 convolution, which must not change when rotated by 90°.

    Otherwise raise ValueError.

    >>> p4_window(3, "same").pads((28, 30))
    ((1, 1), (1, 1))
    """
    kernel = per_axis("kernel_size", kernel_size, 2)
    if kernel[0] != kernel[1]:
        raise ArgumentValueError(f"kernel_size must be square, since rotations exchange height and width, got {kernel}")
    window = Window(kernel, padding=padding)
    (top, bottom), (left, right) = window.pads(kernel)
    if not top == bottom == left == right:
        raise ArgumentValueError(
            f"padding must add equal zeros on all sides, since rotations exchange them, got {padding!r} for the kernel size "
            f"{kernel[0]}: {top} and {bottom} rows, {left} and {right} columns"
        )
    return window


def _on_p4(name: str, array: Array) -> Array:
    """Check that an array is a batch of functions on p4."""
    return same_shape(name, axes(name, array, *ON_P4), (*array.shape[:3], 4, array.shape[4]), "with 4 rotations")


def _kernel(w: Array, names: tuple[str, ...]) -> Array:
    """Check that w contains square kernels with these axes."""
    k = axes("w", w, *names).shape[0]
    rotations = (4,) if "rotation" in names else ()
    return same_shape("w", w, (k, k, *rotations, *w.shape[-2:]), f"square kernels{' with 4 rotations' * len(rotations)}")


def _checked(x: Array, w: Array, b: Array | None, padding: Padding) -> Window:
    """Check the arguments of a forward pass, and return the window."""
    if x.shape[-1] != w.shape[-2]:
        raise ArgumentValueError(f"x must have {w.shape[-2]} channels, as w of shape {w.shape}, got shape {x.shape}")
    same_shape("b", b, w.shape[-1:], "one for each output channel of w")
    window = p4_window(w.shape[:2], padding)
    window.output_size(x.shape[1:3])
    return window


def _checked_dx(dy: Array, w: Array, input_size: Size, padding: Padding) -> tuple[Shape, Window]:
    """Check the arguments of ∂e/∂x, and return the input size and the window."""
    size, window = per_axis("input_size", input_size, 2), p4_window(w.shape[:2], padding)
    _check_dy(dy, window, (len(dy), *size), w.shape[-1])
    return size, window


def _checked_dw(x: Array, dy: Array, kernel_size: Size, padding: Padding) -> Window:
    """Check the arguments of ∂e/∂w, and return the window."""
    window = p4_window(kernel_size, padding)
    _check_dy(dy, window, x.shape[:3], _on_p4("dy", dy).shape[-1])
    return window


def _check_dy(dy: Array, window: Window, inputs: Shape, outputs: int) -> None:
    """Check that dy has the output shape of inputs (N, H, W)."""
    N, *size = inputs
    why = f"the output of {N} input{'s' * (N != 1)} of size {tuple(size)}"
    same_shape("dy", _on_p4("dy", dy), (N, *window.output_size(tuple(size)), 4, outputs), why)
