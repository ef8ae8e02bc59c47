"""scipy.signal: plain convolution and correlation."""

from scipy import signal

__all__ = ["evaluate"]

FUNCTIONS = {
    "convolve1d": signal.convolve,
    "convolve2d": signal.convolve2d,
    "cross_correlate1d": signal.correlate,
    "cross_correlate2d": signal.correlate,
    "fft_convolve1d": signal.fftconvolve,
    "fft_convolve2d": signal.fftconvolve,
}


def evaluate(name, a):
    """The value; SciPy does not differentiate."""
    function = FUNCTIONS.get(name)
    if function is None or any(n < k for n, k in zip(a.x.shape, a.w.shape, strict=True)):
        return None  # SciPy exchanges the two where the kernel is the larger one
    return {"y": function(a.x, a.w, a.options["mode"])}
