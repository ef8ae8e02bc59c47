"""Properties of the operators from the lectures, tested on loops and kernels.

Hypothesis draws the cases. A code such as A4 at the beginning of a docstring is a lecture row in SOURCES.md; the index of the
lectures lists the test under this row. Most numbers are small integers, so that sums of products are exact and results can be
compared bit by bit.
"""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

import refconv
from evidence import engines
from refconv import Window
from strategies import integer_arrays, seeds, small_floats, small_integers

pytestmark = engines

shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))
doubles = st.just(np.float64)
images = integer_arrays(shapes, dtypes=doubles)
kernels = integer_arrays(st.tuples(st.integers(1, 4), st.integers(1, 4)), dtypes=doubles)
modes = st.sampled_from(["valid", "same", "full"])


class TestConvolution:
    def test_is_the_integral_as_the_step_shrinks(self):
        """A1: (w*x)(t) = ∫ x(t−a) w(a) da, sampled at multiples of h.

        A box convolved with itself is a triangle.
        """

        def box(t):
            return ((t >= 0) & (t < 1)).astype(float)

        def ramp(t):
            return np.where((t >= 0) & (t < 1), t, 0)

        errors = {"box": [], "ramp": []}
        for h in (0.1, 0.05, 0.025):
            t = np.arange(0, 1, h)
            y = h * refconv.convolve1d(box(t), box(t), "full")
            s = h * np.arange(len(y))
            errors["box"].append(np.max(np.abs(y - np.minimum(s, 2 - s))))
            y = h * refconv.convolve1d(ramp(t), box(t), "full")
            errors["ramp"].append(np.max(np.abs(y - np.where(s < 1, s**2 / 2, (1 - (s - 1) ** 2) / 2))))
        for by_step in errors.values():
            assert by_step[0] < 0.11
            np.testing.assert_allclose(np.divide(by_step[:-1], by_step[1:]), 2, rtol=0.1)

    @given(x=images, w=kernels)
    def test_becomes_a_product_under_the_fourier_transform(self, x, w):
        """A2: F(w*x) = F(w)·F(x), with transforms as large as the full result."""
        size = (x.shape[0] + w.shape[0] - 1, x.shape[1] + w.shape[1] - 1)
        transformed = np.fft.fft2(refconv.convolve2d(x, w, "full"))
        np.testing.assert_allclose(transformed, np.fft.fft2(x, size) * np.fft.fft2(w, size), rtol=1e-12, atol=1e-10)

    @given(x=images, w=kernels, mode=modes)
    def test_equals_cross_correlation_with_the_kernel_flipped(self, x, w, mode):
        """A4: convolution is cross-correlation with a flipped kernel."""
        assume(mode != "valid" or (np.array(x.shape) >= w.shape).all())
        np.testing.assert_array_equal(refconv.convolve2d(x, w, mode), refconv.cross_correlate2d(x, w[::-1, ::-1], mode))
        row, taps = x[0], w[0]
        assume(mode != "valid" or len(row) >= len(taps))
        np.testing.assert_array_equal(refconv.convolve1d(row, taps, mode), refconv.cross_correlate1d(row, taps[::-1], mode))

    @given(x=images, v=kernels, w=kernels)
    def test_is_commutative_and_associative(self, x, v, w):
        """A4: w*x = x*w and (x*v)*w = x*(v*w)."""

        def star(a, b):
            return refconv.convolve2d(a, b, "full")

        np.testing.assert_array_equal(star(x, w), star(w, x))
        np.testing.assert_array_equal(star(star(x, v), w), star(x, star(v, w)))

    def test_cross_correlation_is_neither_commutative_nor_associative(self):
        """A4, for ⋆: exchanging the arguments rotates the result by 180°.

        The grouping of two kernels also matters.
        """

        def star(a, b):
            return refconv.cross_correlate2d(a, b, "full")

        x, v, w = (small_integers(shape, seed) for seed, shape in enumerate([(4, 5), (3, 2), (2, 4)], 1))
        assert (star(x, w) != star(w, x)).any()
        np.testing.assert_array_equal(star(x, w), star(w, x)[::-1, ::-1])
        assert (star(star(x, v), w) != star(x, star(v, w))).any()

    @given(seed=seeds, mode=modes)
    def test_is_distributive_over_sums(self, seed, mode):
        x, y = small_integers((5, 4), seed), small_integers((5, 4), seed + 1)
        v, w = small_integers((3, 2), seed + 2), small_integers((3, 2), seed + 3)
        for star in (refconv.convolve2d, refconv.cross_correlate2d):
            np.testing.assert_array_equal(star(x, v + w, mode), star(x, v, mode) + star(x, w, mode))
            np.testing.assert_array_equal(star(x + y, w, mode), star(x, w, mode) + star(y, w, mode))


class TestLayer:
    @given(seed=seeds)
    def test_with_a_one_by_one_kernel_is_a_dense_layer_at_each_pixel(self, seed):
        """A8: a 1×1 convolution applies a dense layer to each pixel."""
        x, w, b = small_integers((2, 3, 4, 5), seed), small_integers((1, 1, 5, 6), seed + 1), small_integers((6,), seed + 2)
        y = refconv.conv2d(x, w, b)
        np.testing.assert_array_equal(y.reshape(-1, 6), refconv.dense(x.reshape(-1, 5), w[0, 0], b))

    @given(seed=seeds, stride=st.tuples(st.integers(1, 3), st.integers(1, 3)), shift=st.tuples(*[st.integers(-2, 2)] * 2))
    def test_is_equivariant_to_shifts_by_whole_strides(self, seed, stride, shift):
        """C8: shifting the input by n strides shifts the output by n elements.

        This is true away from the border.
        """
        image, w = small_integers((3, 2, 2), seed), small_integers((3, 2, 2, 3), seed + 1)
        canvas, moved = np.zeros((1, 24, 24, 2)), np.zeros((1, 24, 24, 2))
        canvas[0, 10:13, 10:12] = image
        down, across = (n * S for n, S in zip(shift, stride, strict=True))
        moved[0, 10 + down : 13 + down, 10 + across : 12 + across] = image
        y, z = (refconv.conv2d(x, w, stride=stride, padding=4) for x in (canvas, moved))
        np.testing.assert_array_equal(np.roll(y, shift, axis=(1, 2)), z)

    def test_is_not_equivariant_to_shifts_by_part_of_a_stride(self):
        x = small_integers((1, 12, 10, 1), 0)
        w = small_integers((2, 3, 1, 1), 1)
        y, z = (refconv.conv2d(np.roll(x, by, axis=1), w, stride=2) for by in (0, 1))
        assert not any((np.roll(y, by, axis=1) == z).all() for by in range(y.shape[1]))

    def test_is_not_equivariant_to_rotation(self):
        """C11: the output rotates with the input only if the kernel also rotates."""
        x, w = small_integers((1, 5, 5, 1), 0), small_integers((3, 3, 1, 1), 1)
        rotated = np.rot90(x, axes=(1, 2))
        assert (refconv.conv2d(rotated, w) != np.rot90(refconv.conv2d(x, w), axes=(1, 2))).any()
        np.testing.assert_array_equal(refconv.conv2d(rotated, np.rot90(w)), np.rot90(refconv.conv2d(x, w), axes=(1, 2)))

    def test_depends_on_its_receptive_field_only(self):
        """C4: the inputs that change one output are its receptive field."""
        windows = [Window((3, 2)), Window((2, 3), stride=(2, 1)), Window((3, 2), dilation=(2, 3))]
        rows, columns = refconv.receptive_field(windows)

        def network(x):
            for window in windows:
                x = refconv.conv2d(x, np.ones((*window.kernel, 1, 1)), stride=window.stride, dilation=window.dilation)
            return x

        height, width = rows + 4, columns + 3
        seen = np.zeros((height, width), bool)
        for u, v in np.ndindex(seen.shape):
            x = np.zeros((1, height, width, 1))
            x[0, u, v] = 1
            seen[u, v] = network(x)[0, 1, 2, 0] != 0
        at = np.argwhere(seen)
        assert tuple(at.max(axis=0) - at.min(axis=0) + 1) == (rows, columns)

    def test_dilation_widens_the_receptive_field_without_more_weights(self):
        """C4: dilation changes the receptive field and not the weights."""
        layers = [refconv.nn.Conv2D(4, (3, 2), dilation=D) for D in (1, 2, 4)]
        fields = [refconv.receptive_field([layer.window]) for layer in layers]
        assert fields == [(3, 2), (5, 3), (9, 5)]
        assert {layer.count_parameters((20, 21, 3)) for layer in layers} == {3 * 2 * 3 * 4 + 4}


class TestPooling:
    @given(seed=seeds, kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)))
    def test_ignores_the_order_of_elements_in_a_window(self, seed, kernel):
        """C10: permuting the elements of a window does not change the output."""
        kh, kw = kernel
        table = small_integers((2 * 3, kh * kw), seed, most=9)
        shuffled = np.random.default_rng(seed).permuted(table, axis=1)
        x, z = (t.reshape(2, 3, kh, kw).transpose(0, 2, 1, 3).reshape(1, 2 * kh, 3 * kw, 1) for t in (table, shuffled))
        for pool in (refconv.max_pool2d, refconv.avg_pool2d):
            np.testing.assert_array_equal(pool(x, kernel), pool(z, kernel))

    def test_a_shift_inside_the_window_does_not_change_the_output(self):
        """A11, C10: a bright pixel at each of the six positions of a window has the same effect."""
        expected = np.zeros((3, 3))
        expected[1, 1] = 1
        for u, v in np.ndindex(2, 3):
            x = np.zeros((1, 6, 9, 1))
            x[0, 2 + u, 3 + v] = 1
            np.testing.assert_array_equal(refconv.max_pool2d(x, (2, 3))[0, :, :, 0], expected)
            np.testing.assert_array_equal(refconv.avg_pool2d(x, (2, 3))[0, :, :, 0], expected / 6)

    def test_a_larger_shift_changes_the_output(self):
        x = np.zeros((1, 6, 9, 1))
        x[0, 2, 3] = 1
        moved = np.roll(x, -1, axis=1)
        assert (refconv.max_pool2d(x, (2, 3)) != refconv.max_pool2d(moved, (2, 3))).any()


class TestBatchNormalisation:
    @given(seed=seeds)
    def test_cancels_the_bias_of_the_layer_before_it(self, seed):
        """A17: subtracting the mean removes the bias."""
        x, w, b = small_floats((5, 4), seed), small_floats((4, 3), seed + 1), small_floats((3,), seed + 2)
        gamma, beta = np.array([2.0, -0.5, 3]), np.array([7.0, 0, -4])
        with_bias, without = (refconv.batch_norm(refconv.dense(x, w, bias), gamma, beta)[0] for bias in (b, None))
        np.testing.assert_allclose(with_bias, without, rtol=1e-9, atol=1e-9)

    @given(seed=seeds)
    def test_leaves_mean_0_and_variance_1(self, seed):
        """A13, A16: E[x̂] = 0 and Var[x̂] = σ²/(σ² + ε).

        For images, mean and variance are over the batch and all positions.
        """
        x = np.random.default_rng(seed).standard_normal((2, 3, 4, 5))
        xhat, _, var = refconv.batch_norm(x, np.ones(5), np.zeros(5), eps=1e-3)
        np.testing.assert_allclose(xhat.mean(axis=(0, 1, 2)), 0, atol=1e-14)
        np.testing.assert_allclose(xhat.var(axis=(0, 1, 2)), var / (var + 1e-3), rtol=1e-12)

    @given(seed=seeds, scale=st.sampled_from([0.5, 3.0, 40.0]))
    def test_does_not_depend_on_the_scale_of_its_input(self, seed, scale):
        x, gamma, beta = small_floats((6, 3), seed), np.array([2.0, -0.5, 3]), np.array([7.0, 0, -4])
        assume((x.var(axis=0) > 0.01).all())
        y, z = (refconv.batch_norm(factor * x, gamma, beta, eps=0)[0] for factor in (1, scale))
        np.testing.assert_allclose(y, z, rtol=1e-9, atol=1e-9)
