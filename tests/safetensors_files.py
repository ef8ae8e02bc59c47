"""Helpers that build safetensors files from the specification, without the library."""

import json

HEADER = {"__metadata__": {"refconv": json.dumps({"name": "lenet", "arguments": {}, "notes": {}})}}


def as_safetensors(header, data=b""):
    """Return the bytes of a safetensors file: the length of the header, the header and the data."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + data


def with_tensor(dtype, count, data):
    entry = {"dtype": dtype, "shape": [count], "data_offsets": [0, len(data)]}
    return as_safetensors({**HEADER, "conv1.b": entry}, data)
