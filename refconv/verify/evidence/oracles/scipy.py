"""SciPy: convolution, correlation, sigmoid, softmax, losses and the factors of a kernel."""

import numpy as np

__all__ = ["evaluate"]

# correlate2d is left out: with an even kernel and mode "same", its extra zero is at the end. In all other functions, and in
# refconv, it is at the beginning.
SIGNAL = {
    "convolve1d": "convolve",
    "convolve2d": "convolve2d",
    "cross_correlate1d": "correlate",
    "cross_correlate2d": "correlate",
    "fft_convolve1d": "fftconvolve",
    "fft_convolve2d": "fftconvolve",
}
SPECIAL = {"sigmoid": "expit", "softmax": "softmax", "log_softmax": "log_softmax"}
FUNCTIONS = {**SIGNAL, **SPECIAL}


def evaluate(name, a):
    """Return the output; derivatives only if they are SciPy functions, such as correlations."""
    if name in FORMS:
        return FORMS[name](a)
    if name in SPECIAL:
        from scipy import special

        return {"y": getattr(special, SPECIAL[name])(a.x, **({} if name == "sigmoid" else {"axis": -1}))}
    if name not in SIGNAL or any(n < k for n, k in zip(a.x.shape, a.w.shape, strict=True)):
        return None  # SciPy swaps image and kernel if the kernel is larger
    from scipy import signal

    return {"y": getattr(signal, SIGNAL[name])(a.x, a.w, a.options["mode"])}


def centred_correlation(a):
    """Return output and derivatives: ∂e/∂x is ∂e/∂z * w, and ∂e/∂w is the padded x ⋆ ∂e/∂z."""
    from scipy.signal import convolve2d, correlate2d

    return {
        "y": correlate2d(a.x, a.w, "same"),
        "x": convolve2d(a.dy, a.w, "same"),
        "w": correlate2d(np.pad(a.x, a.w.shape[0] // 2), a.dy, "valid"),
    }


def separate_rank1(a):
    """Return the singular vectors from LAPACK's gesvd, scaled so that the row begins with 1.

    ``a.v`` must not contain zeros.
    """
    from scipy.linalg import svd

    columns, values, rows = svd(np.outer(a.u, a.v), full_matrices=False, lapack_driver="gesvd")
    return {"y": np.concatenate([columns[:, 0] * values[0] * rows[0, 0], rows[0] / rows[0, 0]])}


def mean_squared_error(a):
    """Return the squared distance divided by the number of elements."""
    from scipy.spatial.distance import sqeuclidean

    return {"y": sqeuclidean(a.predictions.ravel(), a.targets.ravel()) / a.predictions.size}


def binary_cross_entropy(a):
    """Return loss and derivative from SciPy's log_expit, which is log σ(x), and expit."""
    from scipy.special import expit, log_expit

    x, t, w = a.logits, np.asarray(a.targets, np.float64), float(a.options.get("pos_weight", 1))
    value = -np.mean(w * t * log_expit(x) + (1 - t) * log_expit(-x))
    return {"y": value, "logits": a.dy * ((1 - t) * expit(x) - w * t * expit(-x)) / x.size}


FORMS = {
    "binary_cross_entropy": binary_cross_entropy,
    "centred_correlation": centred_correlation,
    "mean_squared_error": mean_squared_error,
    "separate_rank1": separate_rank1,
}
