"""Networks and weights in files of Keras 3, read and written without Keras."""

from refconv.weights.keras.reader import from_keras
from refconv.weights.keras.writer import load_keras_weights, save_keras_weights, to_keras

__all__ = ["from_keras", "load_keras_weights", "save_keras_weights", "to_keras"]
