"""Fuzzing of the reader of PyTorch's files: each file is loaded or refused.

    python -m benchmarks.torch_fuzz --cases 3000

Each case changes valid weights at random. In safetensors files: bytes, the header, the length of the header, the list of
tensors and the length of the file. In files of ``torch.save``: bytes, members of the archive, opcodes of the pickle, and
objects that are no plain tensors. A refusal must be an ``ArgumentError`` whose message names the file, and must not change the
network; see ``benchmarks.fuzzing``. Without PyTorch, only safetensors files are changed.
"""

import contextlib
import importlib.util
import io
import json
import math
import pickletools
import tempfile
import zipfile
from functools import cache, partial
from pathlib import Path

import refconv
from benchmarks import fuzzing
from refconv import nn
from refconv.weights import from_torch, to_torch

SIZES = (0, 1, 2, 3, 5, 255, 2**16, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -1)
TYPES = ("BOOL", "U8", "I8", "I32", "I64", "U64", "BF16", "F16", "F32", "F64", "C64", "F8_E4M3", "F8_E5M2", "F4", "f32", "")
BITS = {"BOOL": 8, "U8": 8, "I8": 8, "I32": 32, "I64": 64, "U64": 64, "BF16": 16, "F16": 16, "F32": 32, "F64": 64, "C64": 64}
BITS |= {"F8_E4M3": 8, "F8_E5M2": 8, "F4": 4}
WORDS = (*SIZES, *TYPES, None, True, 1.5, [], {}, [[]], [1] * 70, [2**62, 2**62], [0, 2**63], "fc.bias", "../x", "\ud800")
PICKLE = "data.pkl"


def valid_network():
    """Return a small built network with all kinds of layouts."""
    layers = {"conv": nn.Conv2D(3, (3, 2)), "norm": nn.BatchNorm(), "flatten": nn.Flatten(), "fc": nn.Dense(4)}
    model = nn.Sequential(**layers)
    model.build((5, 4, 2), rng=0)
    return model


@cache
def saved():
    """Return the weights of the network as a safetensors file."""
    with tempfile.TemporaryDirectory() as folder:
        to_torch(valid_network(), Path(folder) / "weights.safetensors")
        return (Path(folder) / "weights.safetensors").read_bytes()


# ------------------------------------------------------------------ safetensors files


def header_and_data(content):
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header, data):
    """Return a safetensors file with this header, which is JSON or a text."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return len(text).to_bytes(8, "little") + text + data


def changed_bytes(rng):
    return fuzzing.with_changed_bytes(saved(), rng)


def changed_length(rng):
    """Change the length of the header."""
    length = int.from_bytes(saved()[:8], "little") + rng.choice([-9, -1, 1, 8, 2**20, 2**40, 2**63 - 1])
    return length.to_bytes(8, "little", signed=False) + saved()[8:]


def truncated(rng):
    return saved()[: rng.randrange(len(saved()))] + rng.choice([b"", b"", bytes(9)])


def changed_header(rng):
    header, data = header_and_data(saved())
    return joined(fuzzing.with_changed_json(header, rng, WORDS), data)


def changed_tensors(rng):
    """Change the list of tensors so that the file stays consistent, or nearly so."""
    header, data = header_and_data(saved())
    tensors = [(name, entry["dtype"], entry["shape"], _part(data, entry)) for name, entry in header.items() if name[0] != "_"]
    k = rng.randrange(len(tensors))
    name, dtype, shape, content = tensors[k]
    action = rng.choice(["type", "type", "axes", "name", "order", "remove", "twice", "offsets", "more"])
    if action == "type":
        dtype = rng.choice([*BITS])
        tensors[k] = name, dtype, shape, rng.randbytes(math.prod(shape) * BITS[dtype] // 8)
    elif action == "axes":
        shape = rng.choice(
            [[1] * rng.choice([1, 31, 62, 65, 1000]) + shape, [0, rng.choice(SIZES[:-1])], [0] + [2**62] * 2, shape[::-1]]
        )
        tensors[k] = name, dtype, shape, content[: 0 if 0 in shape else None]
    elif action == "name":
        new = [name.upper(), "", "x" * 10**5, name + ".weight", "norm.num_batches_tracked", rng.choice(tensors)[0]]
        tensors[k] = rng.choice(new), dtype, shape, content
    elif action == "order":
        rng.shuffle(tensors)
    elif action == "remove":
        del tensors[k]
    elif action in ("twice", "more"):
        tensors.insert(rng.randrange(len(tensors)), (name if action == "twice" else "fc.more", dtype, shape, content))
    return _safetensors(tensors, rng if action == "offsets" else None)


def _part(data, entry):
    first, end = entry["data_offsets"]
    return data[first:end]


def _safetensors(tensors, rng):
    """Return a file with these names, types, shapes and bytes.

    With ``rng``, one offset is wrong.
    """
    entries, data, wrong = [], b"", rng.randrange(len(tensors)) if rng else None
    for k, (name, dtype, shape, content) in enumerate(tensors):
        offsets = [len(data), len(data) + len(content)]
        if k == wrong:
            offsets[rng.randrange(2)] += rng.choice([-8, -4, 4, 8, 2**40])
        entries.append(f"{json.dumps(name)}: {json.dumps({'dtype': dtype, 'shape': shape, 'data_offsets': offsets})}")
        data += content
    return joined("{" + ", ".join(entries) + "}", data)  # not a dict: a name may occur twice


# ------------------------------------------------------------------ files of torch.save


@cache
def saved_by_torch(legacy):
    """Return the weights of the network as a file of torch.save.

    ``legacy`` selects the format before PyTorch 1.6.
    """
    return _save({key: _torch().from_numpy(array) for key, array in to_torch(valid_network()).items()}, legacy)


def _torch():
    import torch

    return torch


def _save(content, legacy=False):
    file = io.BytesIO()
    _torch().save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def changed_archive(rng):
    """Change bytes of a file of torch.save, or its length."""
    content = saved_by_torch(rng.random() < 0.5)
    return content[: rng.randrange(len(content))] if rng.random() < 0.3 else fuzzing.with_changed_bytes(content, rng)


def changed_members(rng):
    """Change the members of the archive: their content, names, number or compression."""
    members = [*fuzzing.zipped(saved_by_torch(False)).items()]
    k = rng.randrange(len(members))
    name, content = members[k]
    action = rng.choice(["content", "name", "twice", "remove", "compress", "order"])
    if action == "content":
        members[k] = name, rng.choice([b"", bytes(10**6), fuzzing.with_changed_bytes(content, rng) if content else b"1"])
    elif action == "name":
        members[k] = rng.choice(["../x", "/x", name + "0", name.rpartition("/")[0], members[k - 1][0], "é"]), content
    elif action == "twice":
        members.append((name, rng.choice(members)[1]))
    elif action == "remove":
        del members[k]
    elif action == "compress":
        members[k] = name, content + bytes(rng.choice([0, 10**7]))
        return fuzzing.zip_of(members, zipfile.ZIP_DEFLATED)
    else:
        rng.shuffle(members)
    return fuzzing.zip_of(members)


GLOBALS = (
    "posix\nsystem",
    "builtins\neval",
    "torch._utils\n_rebuild_sparse_tensor",
    "torch\nDoubleStorage",
    "torch\nfloat8_e5m2",
)
GLOBALS += ("torch._utils\n_rebuild_parameter", "collections\nCounter", "torch._tensor\n_rebuild_from_type_v2", "torch\nSize")


def changed_pickle(rng):
    """Change opcodes of the pickle, or their arguments."""
    legacy = rng.random() < 0.3
    if legacy:
        return _changed_opcodes(saved_by_torch(True), rng)
    members = fuzzing.zipped(saved_by_torch(False))
    name = next(name for name in members if name.endswith(PICKLE))
    return fuzzing.zip_of({**members, name: _changed_opcodes(members[name], rng)}.items())


def _changed_opcodes(content, rng):
    for _ in range(rng.choice([1, 1, 2, 4])):
        positions = _positions(content)
        k, other = rng.randrange(len(positions) - 1), rng.randrange(len(positions) - 1)
        opcode = content[positions[k] : positions[k + 1]]
        code = rng.choice(pickletools.opcodes).code.encode("latin-1")
        number = f"I{rng.choice(SIZES)}\n".encode()
        choices = [
            b"",
            opcode * 2,
            opcode[:100] * 1000,
            code,
            opcode + code,
            b"(" * 10**4,
            b"]" * 10**4,
            b"N",
            b"}",
            b")",
            number,
        ]
        choices += [content[positions[other] : positions[other + 1]], f"c{rng.choice(GLOBALS)}\n".encode()]
        new = number if opcode[:1] in b"KMJ" and rng.random() < 0.5 else rng.choice(choices)  # K, M and J load a number
        content = content[: positions[k]] + new + content[positions[k + 1] :]
    return content


def _positions(content):
    """Return the positions of all opcodes of the pickles at the start of the content.

    The last position is the end of the content.
    """
    positions, file = [], io.BytesIO(content)
    with contextlib.suppress(Exception):  # a damaged opcode, or no pickle
        while True:
            positions += (position for _, _, position in pickletools.genops(file))
    return [*(positions or [0]), len(content)]


def other_objects(rng):
    """Save a state dict in which an entry is no plain tensor of the right type and shape."""
    tensors = {key: _torch().from_numpy(array) for key, array in to_torch(valid_network()).items()}
    key, state = rng.choice([*tensors]), dict(tensors)
    for _ in range(rng.choice([1, 1, 2])):
        if rng.random() < 0.2:
            state[rng.choice([3, ("a", 1), b"fc.bias", None, "", "x" * 10**5, "\ud800", "fc.more"])] = tensors[key]
        else:
            state[key] = rng.choice(OBJECTS)(tensors[key], rng)
    wrapped = rng.choice([state] * 9 + [[*state.values()], {"state_dict": state}, state[key], None, {}, (), "", 3])
    return _save(wrapped, rng.random() < 0.3)


def _of_other_type(tensor, rng):
    torch = _torch()
    names = "float8_e4m3fn float8_e5m2 float16 bfloat16 float64 complex64 complex32 int8 uint8 int32 uint16 bool"
    return torch.zeros(tensor.shape).to(getattr(torch, rng.choice(names.split())))


def _of_other_shape(tensor, rng):
    new = [
        tensor.reshape(-1),
        tensor[None],
        tensor.flatten()[:0],
        tensor.flatten().repeat(2),
        tensor.squeeze(),
        tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor,
    ]
    return rng.choice(new)


def _expanded(tensor, rng):
    """Return a large tensor with the memory of one number."""
    torch = _torch()
    dtype = rng.choice([torch.float32, torch.bfloat16, torch.float16, torch.int64])
    return torch.zeros(1, dtype=dtype).expand(rng.choice([10**6, 2**40]), rng.choice([1, 10**5]))


def _special(tensor, rng):
    """Return a tensor that has no ordinary memory, or more than numbers."""
    torch = _torch()
    numbers = tensor.float()
    return rng.choice(
        [
            lambda: torch.empty(tensor.shape, device="meta"),
            lambda: numbers.to_sparse(),
            lambda: torch.quantize_per_tensor(numbers, 0.1, 3, torch.quint8),
            lambda: torch.nn.Parameter(numbers),
            lambda: torch.conj(torch.complex(numbers, numbers)),
            lambda: torch.conj(torch.complex(numbers, numbers)).imag,
            lambda: torch.nested.nested_tensor([numbers.flatten(), numbers.flatten()[:1]]),
            lambda: numbers.clone().fill_(rng.choice([float("nan"), float("inf"), -1.0])),
        ]
    )()


def _no_tensor(tensor, rng):
    return rng.choice(
        [None, 3, 1.5, "x", [tensor], {"a": tensor}, (), b"x", tensor.numpy(), _torch().float32, _torch().Size([2])]
    )


OBJECTS = (_of_other_type, _of_other_type, _of_other_shape, _expanded, _special, _special, _no_tensor)

SAFETENSORS = {
    "bytes": changed_bytes,
    "header": changed_header,
    "length of header": changed_length,
    "tensors": changed_tensors,
    "length": truncated,
}
SAVED_BY_TORCH = {
    "torch.save: bytes": changed_archive,
    "torch.save: members": changed_members,
    "torch.save: opcodes": changed_pickle,
    "torch.save: objects": other_objects,
}


def outcome(path, model):
    """Return "loaded", "refused" or a description of a fault for a file; raise any other error."""
    results = []
    for strict in (True, False):
        before = fuzzing.bits_of(model)
        try:
            from_torch(model, path, strict=strict)
            results.append("loaded")
        except refconv.ArgumentError as error:
            results.append(fuzzing.refusal(error, path))
            assert before == fuzzing.bits_of(model)
    return next((result for result in results if result not in ("loaded", "refused")), results[0])


def kinds_of_changes():
    return SAFETENSORS | (SAVED_BY_TORCH if importlib.util.find_spec("torch") else {})


def run(cases, seed=0):
    """Return the number of each outcome by kind of change, and the crashes as (case, reason)."""
    kinds = kinds_of_changes()
    saved()
    if importlib.util.find_spec("torch"):
        _torch().set_num_threads(1)  # the threads of a parent do not exist in its children
        saved_by_torch(False), saved_by_torch(True)

    def mutated(rng):
        kind = rng.choice([*kinds])
        return kind, kinds[kind](rng)

    def reader():
        return partial(outcome, model=valid_network())

    return fuzzing.run(cases, mutated, reader, "case.pt", seed)


def main(arguments=None):
    """Print the outcomes; return 1 if there was a crash."""
    program, description = "python -m benchmarks.torch_fuzz", __doc__.partition("\n")[0]
    return fuzzing.command(program, description, 3000, kinds_of_changes(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
