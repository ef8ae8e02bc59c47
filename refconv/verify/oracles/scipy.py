"""scipy.signal: plain convolution and correlation."""

__all__ = ["evaluate"]

# correlate2d is left out: with an even kernel and mode "same", its odd zero is at the end. Everywhere else, and with us,
# it is in front.
FUNCTIONS = {
    "convolve1d": "convolve",
    "convolve2d": "convolve2d",
    "cross_correlate1d": "correlate",
    "cross_correlate2d": "correlate",
    "fft_convolve1d": "fftconvolve",
    "fft_convolve2d": "fftconvolve",
}


def evaluate(name, a):
    """The value; SciPy does not differentiate."""
    if name not in FUNCTIONS or any(n < k for n, k in zip(a.x.shape, a.w.shape, strict=True)):
        return None  # SciPy exchanges the two where the kernel is the larger one
    from scipy import signal

    return {"y": getattr(signal, FUNCTIONS[name])(a.x, a.w, a.options["mode"])}
