"""Comparison of refconv with Keras 3 through files, in both directions.

    python -m benchmarks.keras_files
    python -m benchmarks.keras_files --rows Conv2DTranspose MobileNet

Each row is a network that Keras constructs and fills with random numbers. Keras saves it as a ``.keras`` file, refconv loads
the file ("in"), writes a new file, and Keras loads that one ("out"). Each column is the largest difference between the outputs
of the two libraries, divided by the largest output. Rows of refconv's own architectures start with refconv's file. The program
needs Keras 3 with a backend, PyTorch by default, and h5py.

Keras computes some layers in float32 even if their type is float64, unless the backend is TensorFlow. An asterisk marks
networks with such layers. With PyTorch, Keras's average pooling repeats the edge where "same" needs more zeros at the end than
at the start. The other backends leave these zeros out, as refconv does, so this row is printed for them only.
"""

import argparse
import os
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from refconv import models
from refconv.weights import from_keras, load_keras_weights, save_keras_weights, to_keras

BATCH = 2
LIMITS = {"float32": 1e-5, "float64": 1e-9}
TYPES = tuple(LIMITS)
# Parts of the names of layers that Keras computes in float32 in networks of float64. A Rescaling becomes a normalisation.
SINGLE = ("Dense", "Normalization", "GlobalAverage", "Rescaling")


class Errors(NamedTuple):
    """Largest errors of reading and writing; True if Keras computes in float32 only."""

    read: float
    written: float
    single: bool

    def are_small(self, dtype):
        """Return True if both errors are below the limit."""
        return max(self.read, self.written) <= LIMITS["float32" if self.single else dtype]


def layer_cases(L):
    """Return the layers and the input shape of each row; all sizes are distinct."""
    image, signal = (9, 11, 6), (13, 6)
    return {
        "Conv2D": (image, [L.Conv2D(4, (3, 2), strides=(2, 3), padding="same", activation="relu")]),
        "Conv2D, dilation": (image, [L.Conv2D(4, (3, 2), dilation_rate=(2, 3), padding="same", use_bias=False)]),
        "Conv2D, groups": (image, [L.Conv2D(4, (2, 3), groups=2, activation="tanh")]),
        "Conv1D": (signal, [L.Conv1D(4, 3, strides=2, padding="same", activation="sigmoid")]),
        "Conv1D, causal": (signal, [L.Conv1D(4, 3, dilation_rate=2, padding="causal")]),
        "Conv2DTranspose": (image, [L.Conv2DTranspose(4, (3, 5), strides=(2, 3), padding="same")]),
        "Conv2DTranspose, valid": (image, [L.Conv2DTranspose(4, (3, 2), strides=(2, 4), padding="valid")]),
        "Conv2DTranspose, output padding": (
            image,
            [L.Conv2DTranspose(4, (3, 4), strides=(2, 3), padding="same", output_padding=(1, 2))],
        ),
        "Conv1DTranspose": (signal, [L.Conv1DTranspose(4, 3, strides=2, padding="same")]),
        "DepthwiseConv2D": (image, [L.DepthwiseConv2D((3, 2), strides=2, depth_multiplier=3, padding="same")]),
        "SeparableConv2D": (image, [L.SeparableConv2D(4, (3, 2), depth_multiplier=2, padding="same")]),
        "Dense": (image, [L.Flatten(), L.Dense(7, activation="leaky_relu"), L.Dense(5, activation="softmax")]),
        "Dense of positions": (image, [L.Dense(5, activation="relu"), L.Reshape((99, 5)), L.Dense(4, use_bias=False)]),
        "BatchNormalization": (image, [L.BatchNormalization(momentum=0.8)]),
        "BatchNormalization, no scale": (image, [L.BatchNormalization(scale=False, epsilon=0.01)]),
        "BatchNormalization, no center": (image, [L.BatchNormalization(center=False)]),
        "LayerNormalization": (image, [L.LayerNormalization(), L.Flatten(), L.LayerNormalization()]),
        "GroupNormalization": (image, [L.GroupNormalization(3), L.GroupNormalization(1), L.GroupNormalization(-1)]),
        "MaxPooling2D": (image, [L.MaxPooling2D((3, 2), strides=(2, 3), padding="same")]),
        "MaxPooling1D": (signal, [L.MaxPooling1D(3, strides=2)]),
        "AveragePooling2D": (image, [L.AveragePooling2D((3, 5), strides=2, padding="same")]),
        "AveragePooling2D, uneven": (image, [L.AveragePooling2D((3, 2), strides=2, padding="same")]),
        "AveragePooling1D": (signal, [L.AveragePooling1D(4, strides=3)]),
        "GlobalAveragePooling2D": (image, [L.GlobalAveragePooling2D()]),
        "GlobalAveragePooling1D": (signal, [L.GlobalAveragePooling1D()]),
        "GlobalMaxPooling2D": (image, [L.GlobalMaxPooling2D(keepdims=True), L.Reshape((-1,))]),
        "GlobalMaxPooling1D": (signal, [L.GlobalMaxPooling1D()]),
        "ZeroPadding2D": (image, [L.ZeroPadding2D(((0, 1), (2, 3)))]),
        "ZeroPadding2D of channels": (
            image,
            [
                L.ZeroPadding2D(((0, 0), (0, 3)), data_format="channels_first"),
                L.ZeroPadding2D(((1, 0), (2, 3)), data_format="channels_first"),
            ],
        ),
        "ZeroPadding1D": (signal, [L.ZeroPadding1D((2, 3)), L.ZeroPadding1D(1)]),
        "Cropping1D": (signal, [L.Cropping1D((2, 3))]),
        "Permute, Reshape": (image, [L.Permute((3, 1, 2)), L.Reshape((18, -1))]),
        "Cropping2D": (image, [L.Cropping2D(((0, 1), (2, 3)))]),
        "UpSampling2D": (image, [L.UpSampling2D((2, 3))]),
        "UpSampling2D, bilinear": (image, [L.UpSampling2D((2, 3), interpolation="bilinear")]),
        "ReLU": (image, [L.LeakyReLU(), L.ReLU(negative_slope=0.1), L.ELU(0.7), L.ReLU(6), L.Activation("relu")]),
        "Softmax": (image, [L.Activation("elu"), L.Softmax()]),
        "Dropout": (image, [L.Dropout(0.3), L.Conv2D(4, 1)]),
        "Rescaling": (image, [L.Rescaling(1 / 4, -1), L.Conv2D(4, 2)]),
    }


def branched(keras):
    """Return a network with all joins, an inner network, and a layer that is called twice."""
    L = keras.layers
    x = inputs = L.Input((9, 11, 6), name="in.put")
    inner = keras.Sequential([L.Input((9, 11, 6)), L.Conv2D(6, 3, padding="same"), L.BatchNormalization()], name="inner")
    shared = L.Conv2D(6, (2, 3), padding="same", name="shared")
    x = L.Add()([x, inner(x), L.Conv2D(6, 1)(x)])
    x = L.Average()([shared(L.ReLU()(x)), x])
    y = L.Conv2D(5, 3, padding="same", activation="relu")(x)
    x = L.Concatenate()([x, L.Concatenate(axis=-1)([y, L.MaxPooling2D(3, strides=1, padding="same")(y)])])
    x = L.Concatenate(axis=1)([L.Cropping2D(((1, 0), (0, 0)))(x), L.ZeroPadding2D(((0, 1), (0, 0)))(x)])
    return keras.Model(inputs, L.Dense(4)(L.GlobalAveragePooling2D()(x)))


def applications(keras):
    """Return functions that construct networks of Keras, without downloads."""
    A, options = keras.applications, {"weights": None, "classes": 7, "classifier_activation": None}
    return {
        "MobileNet": lambda: A.MobileNet(input_shape=(65, 64, 3), alpha=0.25, **options),
        "ResNet50": lambda: A.ResNet50(input_shape=(65, 64, 3), **options),
        "DenseNet121": lambda: A.DenseNet121(input_shape=(65, 64, 3), **options),
        "InceptionV3": lambda: A.InceptionV3(input_shape=(76, 75, 3), **options),
        "VGG16": lambda: A.VGG16(input_shape=(33, 32, 3), include_top=False, pooling="avg", weights=None),
    }


def tangled(keras):
    """Return a network with shortcuts across others and a layer that is called twice."""
    L = keras.layers
    x = inputs = L.Input((9, 11, 6))
    shared = L.Conv2D(6, (2, 3), padding="same", activation="relu")
    a = shared(x)
    b = L.Add()([x, L.BatchNormalization()(a)])
    c = shared(b)
    gate = L.Dense(6, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(a))
    d = L.Average()([L.Multiply()([gate, c]), a, b])
    return keras.Model(inputs, L.Concatenate()([x, a, c, d, L.DepthwiseConv2D(3, padding="same")(b)]))


ARCHITECTURES = (
    "lenet",
    "mobilenet",
    "resnet50",
    "densenet121",
    "googlenet",
    "inception-v3",
    "bn-inception",
    "unet",
    "unet-same",
)
ARCHITECTURES += ("vgg-a", "fractalnet20", "resnet20", "wrn-16-8")


def randomize(weights, seed=0):
    """Yield a random array for each (name, shape); variances are positive."""
    rng = np.random.default_rng(seed)
    for name, shape in weights:
        if "var" in name:
            yield rng.uniform(0.5, 2, shape)
        elif len(shape) > 1:
            yield rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))
        else:
            yield ("gamma" in name) + 0.2 * rng.standard_normal(shape)


def error(a, b):
    """Return the largest difference relative to the largest element."""
    return float(abs(a - b).max() / abs(b).max())


def output_of(keras, model, x):
    """Return the output of a network of Keras in inference."""
    return keras.ops.convert_to_numpy(model(x, training=False))


def errors_of_keras(keras, construct, dtype, folder):
    """Return the errors of a network that Keras constructs, in and out."""
    _select(keras, dtype)
    model = construct()
    weights = [(weight.path, weight.shape) for weight in model.weights]
    model.set_weights(list(randomize(weights)))
    first, second = Path(folder) / "in.keras", Path(folder) / "out.keras"
    model.save(first)
    x = np.random.default_rng(1).standard_normal((BATCH, *model.input_shape[1:])).astype(dtype)
    expected, loaded = output_of(keras, model, x), from_keras(first)
    to_keras(loaded, second)
    again = output_of(keras, keras.saving.load_model(second), x)
    return Errors(error(loaded(x), expected), error(again, expected), _is_single(keras, model))


def errors_of_refconv(keras, name, dtype, folder):
    """Return the errors of an architecture of refconv; the weights also return from Keras."""
    _select(keras, dtype)
    model, shape = models.create(f"{name}-small"), models.input_shape(f"{name}-small")
    model.build(shape, rng=0, dtype=dtype)
    parameters = {key: p for key, p in model.named_parameters().items() if not key.endswith("updates")}
    for parameter, value in zip(
        parameters.values(), randomize([(key, p.value.shape) for key, p in parameters.items()]), strict=True
    ):
        parameter.value = value
    x = np.random.default_rng(1).standard_normal((BATCH, *shape)).astype(dtype)
    expected, path, weights = model(x), Path(folder) / "out.keras", Path(folder) / "out.weights.h5"
    to_keras(model, path)
    peer = keras.saving.load_model(path)
    out = error(output_of(keras, peer, x), expected)
    peer.save_weights(weights)
    model.build(shape, rng=1, dtype=dtype)
    load_keras_weights(model, weights)
    save_keras_weights(model, weights)
    peer.load_weights(weights)
    back = max(error(model(x), expected), error(output_of(keras, peer, x), expected))
    return Errors(back, out, _is_single(keras, peer))


def _is_single(keras, model):
    """Return True if Keras computes a layer in float32.

    In a network without parameters, refconv writes float32 as the type of the layers.
    """
    names = {type(layer).__name__ for layer in model._flatten_layers()}
    if any(layer.compute_dtype == "float32" for layer in model._flatten_layers()):
        return True
    return keras.config.backend() != "tensorflow" and any(part in name for part in SINGLE for name in names)


def _select(keras, dtype):
    """Select the type of inputs and layers in Keras."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)


def rows(keras):
    """Return, for each row, a function of a dtype and a folder that returns the errors."""
    cases = {}
    for name in layer_cases(keras.layers):
        if name == "AveragePooling2D, uneven" and keras.config.backend() == "torch":
            continue
        cases[name] = lambda name=name: _sequential(keras, *layer_cases(keras.layers)[name])
    cases["branches, inner network, shared layer"] = lambda: branched(keras)
    cases["shortcuts across others, shared layer"] = lambda: tangled(keras)
    cases |= {f"keras.applications.{name}": construct for name, construct in applications(keras).items()}
    made = {
        name: lambda dtype, folder, construct=construct: errors_of_keras(keras, construct, dtype, folder)
        for name, construct in cases.items()
    }
    return made | {
        f"refconv {name}-small": lambda dtype, folder, name=name: errors_of_refconv(keras, name, dtype, folder)
        for name in ARCHITECTURES
    }


def _sequential(keras, shape, layers):
    # A layer with weights comes first, since the file of a network of refconv has the type of its weights.
    first = (keras.layers.Conv1D if len(shape) == 2 else keras.layers.Conv2D)(shape[-1], 1)
    return keras.Sequential([keras.layers.Input(shape), first, *layers])


def import_keras():
    """Import Keras with the backend PyTorch, unless the environment selects another."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    return keras


def main(arguments=None):
    """Print the table; return 1 if an error is above its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keras_files", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", nargs="+", default=[""], help="parts of the names of rows; by default all")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    keras = import_keras()
    print(f"Keras {keras.__version__}, backend {keras.config.backend()}; limits 1e-5 in float32 and for *, 1e-9 in float64")
    print(f"{'network':40}  float32 in, out   float64 in, out")
    bad = 0
    for name, errors in rows(keras).items():
        if any(part in name for part in options.rows):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found = {dtype: errors(dtype, folder) for dtype in TYPES}
                except ValueError as reason:
                    print(f"{name:40}  refused: {str(reason).replace(folder, '')}", flush=True)
                    continue
            cells = [f"{value:8.1e}" for errors in found.values() for value in errors[:2]]
            bad += not all(errors.are_small(dtype) for dtype, errors in found.items())
            print(f"{name:40} {' '.join(cells)}{' *' * found['float64'].single}", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
