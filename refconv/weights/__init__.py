"""Networks on disk, in safetensors files."""

from refconv.weights.model import load_model, save_model
from refconv.weights.tensors import need_safetensors, read_tensors, write_tensors

__all__ = ["load_model", "need_safetensors", "read_tensors", "save_model", "write_tensors"]
