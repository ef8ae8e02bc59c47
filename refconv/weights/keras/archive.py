"""The archive of a ``.keras`` file: a zip file with a description in JSON and the weights.

Nothing is extracted to the disk. An untrusted file may contain anything, so names, sizes and types are checked before
they are used.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

from refconv._arguments import check_ending
from refconv._bounded import ZIP_METHODS, read_at_most
from refconv._files import write_atomically
from refconv.weights.foreign import HDF5, is_archive

__all__ = ["read_archive", "read_weights_image", "write_archive"]

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
MAX_MEMBERS = 1000
MAX_JSON_BYTES = 1 << 22  # the description of Keras's largest networks takes about 1 MB; lists take 20 bytes for each of them
MAX_COMPRESSION = 20  # Keras does not compress the weights, which shrink by about a tenth
DATE = (1980, 1, 1, 0, 0, 0)  # of members in files that we write: the same network gives the same bytes
VERSION = "3.0.0"  # of the oldest Keras that reads our files

Json = Any


def read_archive(path: str | os.PathLike[str]) -> tuple[dict[str, Json], bytes]:
    """Return the description in a ``.keras`` file, and the bytes of its file of weights.

    Raises ``ValueError`` if the file is not such an archive, is damaged, has an unsafe member, or is from another version.
    """
    _refuse_hdf5(_existing(path))
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            version = _json(archive, members[METADATA]).get("keras_version")
            if not isinstance(version, str) or not version.startswith("3."):
                raise ValueError(f"keras_version in {METADATA} must be 3.…, got {version!r}")
            return _json(archive, members[CONFIG]), _content(archive, members[WEIGHTS])
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise ValueError(f"the archive is not a zip file, or is damaged: {error}") from error


def read_weights_image(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of the HDF5 file in a ``.keras`` archive, or of a ``.weights.h5`` file."""
    if is_archive(_existing(path)):
        return read_archive(path)[1]
    return Path(path).read_bytes()


def write_archive(path: str | os.PathLike[str], config: dict[str, Json], weights: bytes) -> None:
    """Write a ``.keras`` file, completely or not at all; other endings raise ``ValueError``."""
    check_ending(path, ".keras")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (
            (METADATA, json.dumps({"keras_version": VERSION}).encode()),
            (CONFIG, json.dumps(config).encode()),
            (WEIGHTS, weights),
        ):
            archive.writestr(zipfile.ZipInfo(name, DATE), content)
    write_atomically(path, buffer.getvalue())


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path


def _refuse_hdf5(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(HDF5)) != HDF5:
            return
    if path.name.lower().endswith(".weights.h5"):
        raise ValueError("it contains only weights: use load_keras_weights")
    raise ValueError("it has the older HDF5 format: in Keras, save the network with model.save('model.keras')")


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name, after checks of all names and sizes."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if len(names) > MAX_MEMBERS or len(set(names)) < len(names):
        raise ValueError(f"the archive must have at most {MAX_MEMBERS} members with distinct names, got {len(names)}")
    for info in infos:
        _check_member(info)
    if missing := [name for name in (METADATA, CONFIG, WEIGHTS) if name not in names]:
        raise ValueError(f"the archive must contain {missing[0]}, got {', '.join(names[:5]) or 'nothing'}")
    return dict(zip(names, infos, strict=True))


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.filename
    if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
        raise ValueError(f"members of the archive must have relative names without '..', got {name!r}")
    if info.flag_bits & 1:
        raise ValueError(f"member {name} must not be encrypted")
    if info.compress_type not in ZIP_METHODS:
        raise ValueError(f"member {name} must be stored or deflated, got method {info.compress_type}")
    if name == WEIGHTS and info.file_size > MAX_COMPRESSION * info.compress_size:
        raise ValueError(
            f"member {name} must be compressed by at most a factor of {MAX_COMPRESSION}, "
            f"got {info.file_size} bytes in {info.compress_size}"
        )


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return the bytes of a member; zipfile verifies their checksum."""
    with archive.open(info) as file:
        content = read_at_most(file, info.file_size)
    if len(content) != info.file_size:
        raise ValueError(f"member {info.filename} must have {info.file_size} bytes, got {len(content)}")
    return content


def _json(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, Json]:
    if info.file_size > MAX_JSON_BYTES:
        raise ValueError(f"member {info.filename} must have at most {MAX_JSON_BYTES} bytes, got {info.file_size}")
    value = json.loads(_content(archive, info).decode())
    if not isinstance(value, dict):
        raise ValueError(f"member {info.filename} must be a JSON object, got {type(value).__name__}")
    return value
