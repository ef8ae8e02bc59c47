"""Small archives in the layouts of EMNIST and CIFAR, for tests."""

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile

import numpy as np

__all__ = ["describe", "idx", "records", "tar_of", "zip_of"]


def idx(array):
    """Return the content of an idx file of uint8."""
    return struct.pack(f">2x2B{array.ndim}I", 8, array.ndim, *array.shape) + array.tobytes()


def records(labels, seed):
    """Return the content of a CIFAR file with these rows of labels, and its images."""
    labels = np.asarray(labels, np.uint8)
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), 32, 32, 3), np.uint8)
    planes = np.stack([images[..., channel] for channel in range(3)], axis=1).reshape(len(labels), -1)
    return b"".join(bytes(row) + bytes(pixels) for row, pixels in zip(labels, planes, strict=True)), images


def zip_of(contents, compression=zipfile.ZIP_DEFLATED):
    """Return a zip archive of the contents by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in contents.items():
            opened.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


def tar_of(contents):
    """Return a tar.gz archive of the contents by name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), 1, mtime=0)


def describe(packed):
    """Return the sum and the size of an archive, as arguments of ``dataclasses.replace``."""
    return {"sha256": hashlib.sha256(packed).hexdigest(), "size": len(packed)}
