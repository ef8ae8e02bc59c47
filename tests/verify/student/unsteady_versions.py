"""Students' functions that are correct when called once, with the expected findings.

:func:`refconv.verify.check` calls them repeatedly. Each entry of :data:`UNSTEADY` makes a new function with its own state.
"""

import time
from dataclasses import dataclass

import numpy as np

from verify.student.student_versions import conv2d_all

__all__ = ["STEADY", "UNSTEADY", "Unsteady", "hangs_when_called_again", "sleeps_on_a_shape_seen_before", "wrong_by_chance"]


@dataclass(frozen=True)
class Unsteady:
    """Factory of a student's function, with the operator and the expected finding.

    ``kind`` is the kind of the finding, and ``message`` must occur in the report.
    """

    make: object
    name: str
    kind: str
    message: str

    def __str__(self):
        return f"{self.name}-{self.make.__name__}"


UNSTEADY, STEADY = [], []


def unsteady(name, kind, message):
    return lambda make: UNSTEADY.append(Unsteady(make, name, kind, message)) or make


def steady(name):
    return lambda make: STEADY.append((make, name)) or make


SECOND = "The second call with the same input returns a different result: it keeps state between calls"


@unsteady("conv2d", "state", SECOND)
def adds_to_a_kept_buffer():
    buffers = {}

    def conv2d(x, w):
        y = conv2d_all(x, w)
        return buffers.setdefault((x.shape, w.shape), np.zeros(y.shape)).__iadd__(y)

    return conv2d


@unsteady("conv2d", "state", SECOND)
def keeps_state_with_a_stride_only():
    buffers = {}

    def conv2d(x, w, stride=1):
        y = conv2d_all(x, w, stride=stride)
        if stride != 1:
            y = buffers.setdefault((x.shape, w.shape, stride), np.zeros(y.shape)).__iadd__(y).copy()
        return y

    return conv2d


@unsteady("relu", "state", SECOND)
def is_wrong_from_its_second_call_on():
    calls = []

    def relu(x):
        calls.append(x.shape)
        return np.maximum(x, 0) + (len(calls) > 1)

    return relu


@unsteady("batch_norm", "state", SECOND)
def normalises_with_a_running_mean():
    running = {}

    def batch_norm(x, gamma, beta, eps=1e-3):
        axes = tuple(range(x.ndim - 1))
        mean = running.get(x.shape, x.mean(axes)) * 0.9 + x.mean(axes) * 0.1
        running[x.shape] = mean + 1
        return gamma * (x - mean) / np.sqrt(x.var(axes) + eps) + beta

    return batch_norm


@unsteady("relu", "state", "The same input gives a different result after a call with x")
def depends_on_the_shape_of_the_call_before():
    shapes = [()]

    def relu(x):
        y = np.maximum(x, 0) + (shapes[-1] > x.shape)
        shapes.append(x.shape)
        return y

    return relu


@unsteady("relu", "state", "After a call with float32, a call with float64 of the same shapes has the precision of float32")
def keeps_a_buffer_of_the_first_type():
    buffers = {}

    def relu(x):
        buffer = buffers.setdefault(x.shape, np.zeros(x.shape, x.dtype))
        buffer[...] = np.maximum(x, 0)
        return buffer.astype(x.dtype)

    return relu


@unsteady("conv2d", "cache", "The result does not change when the numbers in x change: the function caches by shape")
def caches_by_shape():
    cache = {}

    def conv2d(x, w):
        key = x.shape, w.shape
        if key not in cache:
            cache[key] = conv2d_all(x, w)
        return cache[key].copy()

    return conv2d


@unsteady("max_pool2d_dx", "cache", "the function caches by shape")
def caches_a_derivative_by_shape():
    from verify.student.student_versions import max_pool2d_dx_of_x

    cache = {}

    def max_pool2d_dx(dy, x, window):
        key = dy.shape, x.shape, window
        if key not in cache:
            cache[key] = max_pool2d_dx_of_x(dy, x, window)
        return cache[key].copy()

    return max_pool2d_dx


@unsteady("conv2d", "cache", "The result does not change when the numbers in w change")
def caches_by_the_numbers_of_x_alone():
    cache = {}

    def conv2d(x, w):
        key = x.tobytes(), x.shape, w.shape
        if key not in cache:
            cache[key] = conv2d_all(x, w)
        return cache[key].copy()

    return conv2d


@unsteady("relu", "cache", "The result does not change when the numbers in x change: the function caches by array object")
def caches_by_the_array_object():
    cache = []

    def relu(x):
        for array, y in cache:
            if array is x:
                return y.copy()
        cache.append((x, np.maximum(x, 0)))
        return cache[-1][1].copy()

    return relu


@unsteady("conv2d", "cache", "The result does not change when the numbers in x change: the function caches by array object")
def caches_by_the_identity_of_all_arrays():
    """Store the arrays, so that no later array has the id of one of them."""
    cache = {}

    def conv2d(x, w):
        key = id(x), id(w)
        if key not in cache:
            cache[key] = x, w, conv2d_all(x, w)
        return cache[key][-1].copy()

    return conv2d


@unsteady("relu", "buffer", "The result of the first call changes during the second")
def returns_a_kept_buffer():
    buffers = {}

    def relu(x):
        return np.maximum(x, 0, out=buffers.setdefault(x.shape, np.empty(x.shape)))

    return relu


@unsteady("conv2d", "buffer", "The result of the first call changes during the second")
def returns_a_view_of_a_kept_buffer():
    pool = np.zeros(4096)

    def conv2d(x, w):
        y = conv2d_all(x, w)
        view = pool[: y.size].reshape(y.shape)
        view[...] = y
        return view

    return conv2d


@unsteady("conv2d", "memory", "The result depends on memory that is not initialised")
def leaves_the_last_pixel_unwritten():
    """Add the last pixel to uninitialised memory, which often contains zeros."""

    def conv2d(x, w):
        right = conv2d_all(x, w)
        y = np.empty(right.shape)
        y[...] = right
        corner = np.empty(right[:, -1:, -1:].shape)
        y[:, -1:, -1:] += np.where(np.isnan(corner) | (np.abs(corner) > 1e30), corner, 0)
        return y

    return conv2d


@unsteady("relu", "chance", "wrong in")
def alternates_between_right_and_wrong():
    calls = []

    def relu(x):
        calls.append(x.shape)
        return np.maximum(x, 0) + len(calls) % 2

    return relu


@unsteady("relu", "chance", "raises RuntimeError: busy")
def raises_now_and_then():
    calls = []

    def relu(x):
        calls.append(x.shape)
        if len(calls) % 50 == 49:
            raise RuntimeError("busy")
        return np.maximum(x, 0)

    return relu


def hangs_when_called_again():
    seen = set()

    def relu(x):
        key = x.shape, x.tobytes()
        while key in seen:
            pass
        seen.add(key)
        return np.maximum(x, 0)

    return relu


def sleeps_on_a_shape_seen_before():
    """Wait in the second call with the same shapes, as for a lock that was not released."""
    seen = set()

    def conv2d(x, w):
        key = x.shape, w.shape
        if key in seen:
            time.sleep(100)
        seen.add(key)
        return conv2d_all(x, w)

    return conv2d


def wrong_by_chance(seed, probability=0.02):
    """Return a ReLU that is wrong in some of its calls."""
    rng = np.random.default_rng(seed)

    def relu(x):
        return np.maximum(x, 0) + (rng.random() < probability)

    return relu


# --------------------------------------------------------------------------------- correct: their state changes no result


@steady("conv2d")
def reuses_its_work_space():
    work = {}

    def conv2d(x, w):
        y = work.setdefault((x.shape, w.shape), np.empty(conv2d_all(x, w).shape))
        y[...] = conv2d_all(x, w)
        return y.copy()

    return conv2d


@steady("conv2d")
def caches_by_all_numbers():
    cache = {}

    def conv2d(x, w, stride=1):
        key = x.tobytes(), w.tobytes(), x.shape, w.shape, stride
        if key not in cache:
            cache[key] = conv2d_all(x, w, stride=stride)
        return cache[key].copy()

    return conv2d


@steady("relu")
def fills_what_empty_returned():
    def relu(x):
        y = np.empty_like(x)
        y[x > 0] = x[x > 0]
        y[~(x > 0)] = 0
        return y

    return relu
