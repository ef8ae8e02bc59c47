"""Networks for tests of files of Keras, and helpers that change such files."""

import io
import json
import zipfile

import numpy as np

from refconv import nn
from refconv.nn.joins import Add, Average, Concatenate, Multiply
from refconv.nn.reshape import Pad, Reshape, Slice, Transpose

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"

IMAGE, SIGNAL = (9, 11, 6), (13, 6)


def tangled():
    """Return a graph with shortcuts across others, each join, and a layer used twice."""
    shared = nn.Conv2D(6, (3, 2), padding=((2, 0), (1, 0)))
    layers = {
        "first": shared,
        "relu": nn.ReLU(),
        "second": shared,
        "means": nn.AvgPool2D(IMAGE[:2]),
        "product": Multiply(),
        "joined": Concatenate(),
        "mixed": nn.Conv2D(6, 1),
        "mean": Average(),
        "sum": Add(),
    }
    sources = {
        "first": ["input"],
        "relu": ["first"],
        "second": ["relu"],
        "means": ["first"],
        "product": ["means", "second"],
        "joined": ["product", "relu", "input"],
        "mixed": ["joined"],
        "mean": ["mixed", "relu", "first"],
        "sum": ["mean", "product", "means"],
    }
    return nn.Graph(layers, sources)


# Layers that refconv writes for Keras, with the shape of their input; all sizes are distinct.
LAYERS = {
    "conv1d": (nn.Conv1D(4, 3, stride=2, padding="same"), SIGNAL),
    "conv2d": (nn.Conv2D(4, (3, 2), stride=(2, 3), padding="same", bias=False), IMAGE),
    "conv2d with margins": (nn.Conv2D(4, (3, 2), padding=((0, 1), (2, 3)), groups=2), IMAGE),
    "conv2d, the extra zero first": (nn.Conv2D(4, (4, 2), padding="same_lower"), IMAGE),
    "transposed, n·S": (nn.ConvTranspose2D(4, (3, 5), stride=(2, 3), padding="same", output_padding=None), IMAGE),
    "transposed, cropped": (nn.ConvTranspose2D(4, (3, 4), stride=2, padding=1, output_padding=1), IMAGE),
    "transposed 1d": (nn.ConvTranspose1D(4, 3, stride=2, padding="same", output_padding=None), SIGNAL),
    "depthwise": (nn.DepthwiseConv2D((3, 2), 3, stride=2, padding="same"), IMAGE),
    "separable": (nn.SeparableConv2D(4, (3, 2), 2, padding="same"), IMAGE),
    "batch norm": (nn.BatchNorm(momentum=0.8, eps=0.01, averages="lecture"), IMAGE),
    "group norm": (nn.GroupNorm(3), IMAGE),
    "layer norm of images": (nn.LayerNorm(eps=0.01), IMAGE),
    "layer norm of each pixel": (nn.LayerNorm(eps=0.01, each_position=True), IMAGE),
    "layer norm of each sample": (nn.LayerNorm(each_position=True), SIGNAL),
    "layer norm of rows": (nn.Sequential(nn.Flatten(), nn.LayerNorm(eps=0.01)), IMAGE),
    "instance norm": (nn.InstanceNorm(), IMAGE),
    "max pool": (nn.MaxPool2D((3, 2), stride=2, padding="same"), IMAGE),
    "max pool of a ReLU with margins": (nn.Sequential(nn.ReLU(), nn.MaxPool2D(3, stride=2, padding=((1, 0), (0, 1)))), IMAGE),
    "max pool of a ReLU, ceil mode": (nn.Sequential(nn.ReLU(), nn.MaxPool2D(2, stride=3, ceil_mode=True)), IMAGE),
    "average pool": (nn.AvgPool2D((3, 5), stride=2, padding="same"), IMAGE),  # equal margins
    "average pool that counts zeros": (nn.AvgPool2D(3, stride=2, padding=1, count_include_pad=True), IMAGE),
    "average pool 1d": (nn.AvgPool1D(4), SIGNAL),
    "global max pool": (nn.GlobalMaxPool2D(), IMAGE),
    "pad, crop, upsample": (
        nn.Sequential(nn.Pad2D(((0, 1), (2, 3))), nn.Crop2D(((1, 2), (0, 3))), nn.Upsample2D((2, 3), mode="bilinear")),
        IMAGE,
    ),
    "activations": (
        nn.Sequential(nn.LeakyReLU(0.3), nn.ELU(0.7), nn.Tanh(), nn.Sigmoid(), nn.ReLU6(), nn.Softmax(), nn.Dropout(0.3)),
        IMAGE,
    ),
    "branches": (
        nn.Concat(nn.Identity(), nn.Sum(nn.Conv2D(6, 1), nn.Mean(nn.ReLU(), nn.Conv2D(6, 3, padding=1))), nn.Conv2D(2, 1)),
        IMAGE,
    ),
    "graph": (tangled(), IMAGE),
    "fractal": (nn.DropPath(nn.Sequential(nn.Fractal(nn.Conv2D(6, 3, padding="same"), 3))), IMAGE),
    "a layer that is used three times": (nn.Sequential(*[nn.Conv2D(6, 3, padding="same")] * 3), IMAGE),
    "more channels of images": (nn.PadChannels(8), IMAGE),
    "more channels of signals": (nn.PadChannels(8), SIGNAL),
    "more channels of rows": (nn.PadChannels(8), (6,)),
    "pad and crop signals": (nn.Sequential(Pad([(2, 3), (0, 0)]), Slice([(1, 15, 1), (0, 6, 1)])), SIGNAL),
    "pad and crop all axes": (
        nn.Sequential(Pad([(2, 3), (0, 1), (3, 4)]), Slice([(0, 13, 1), (1, 10, 1), (2, 9, 1)])),
        IMAGE,
    ),
    "transpose and reshape": (nn.Sequential(Transpose((2, 0, 1)), Reshape((27, 22))), IMAGE),
    "concatenated rows": (nn.Concat(nn.Identity(), nn.ReLU(), axis=0), IMAGE),
    "auxiliary heads": (nn.Heads(nn.Sequential(a=nn.Conv2D(3, 2), b=nn.ReLU()), a=nn.GlobalAvgPool2D()), IMAGE),
}


def members_of(path):
    """Return the members of an archive by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path, members, compression=zipfile.ZIP_STORED):
    """Write an archive."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def change_config(path, change):
    """Call a function with the description of the network, and write the changed description."""
    members = members_of(path)
    config = json.loads(members[CONFIG])
    change(config)
    write_members(path, {**members, CONFIG: json.dumps(config).encode()})


def change_weights(path, change):
    """Call a function with the open HDF5 file of the weights, and write the changed file."""
    import h5py

    members = members_of(path)
    buffer = io.BytesIO(members[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        change(file)
    write_members(path, {**members, WEIGHTS: buffer.getvalue()})


def randomized(model, shape, dtype=np.float32):
    """Build a network, and give all parameters except counters random values."""
    model.build(shape, rng=0, dtype=dtype)
    rng = np.random.default_rng(3)
    for name, parameter in model.named_parameters().items():
        if not name.endswith("updates"):
            parameter.value = parameter.value + rng.uniform(0.1, 0.6, parameter.value.shape)
    return model


def network():
    """Return a small network with two branches, which is functional in Keras."""
    joined = nn.Sum(nn.Identity(), nn.Sequential(conv=nn.Conv2D(3, (3, 2), padding="same"), norm=nn.BatchNorm()))
    return nn.Sequential(joined=joined, relu=nn.ReLU6(), mean=nn.GlobalAvgPool2D(), scores=nn.Dense(4))
