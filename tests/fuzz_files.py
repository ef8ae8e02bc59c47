"""Fuzzing of the readers of data: idx, CIFAR, archives, pictures, masks and NumPy's arrays.

``tests.fuzz`` runs it. Each reader is a module-level object of :class:`Reader`.
"""

import gzip
import hashlib
import io
import struct
import zlib
from functools import cache, partial
from typing import NamedTuple

import numpy as np

import refconv
from benchmarks import fuzzing
from image_archives import idx, records, tar_of, zip_of
from refconv.data import load_cifar10, load_folder
from refconv.data.cifar import _recognise
from refconv.data.files import Archive, DataFile, DataNotFound, DataSet
from refconv.data.idx import read_idx
from refconv.data.image_files import read_image
from refconv.data.masks import read_mask
from refconv.data.mnist import idx_files, load_idx_images
from refconv.data.photo import read_ink
from refconv.data.retrieve import read_data_files

__all__ = ["FILES", "Reader", "result"]

NUMBERS = (0, 1, 2, 3, 27, 255, 2**8, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
MAX_PIXELS = 10**7  # of a picture, so that the limit of memory is not reached
MEMBERS = ("data_batch_1.bin", "test_batch.bin")


class Reader(NamedTuple):
    """Reader of files for fuzzing.

    Attributes
    ----------
    name : str
    file : str
        Name of the file that it reads.
    seeds : callable
        Function without arguments that returns valid contents.
    outcome : callable
        Function of a path that returns "loaded", "refused" or a description of a fault.
    mutated : callable
        ``mutated(rng, seeds)`` returns a changed content and the kind of the change.
    """

    name: str
    file: str
    seeds: object
    outcome: object
    mutated: object


def result(path, *loads, names=()):
    """Call functions that read a path; return "loaded", "refused" or the first fault.

    A message must contain the name of the file, or one of the other names.
    """
    results = []
    for load in loads:
        try:
            load(path)
            results.append("loaded")
        except (refconv.ArgumentError, DataNotFound) as error:
            name = next((name for name in names if name in str(error)), path.name)
            results.append(fuzzing.refusal(error, name))
    return next((outcome for outcome in results if outcome not in ("loaded", "refused")), results[0])


def changed(rng, seeds):
    """Return the kind of a change, and a content with changed bytes, numbers or length."""
    content = rng.choice(seeds)
    kind = rng.choice(("bytes", "bytes", "number", "length", "part"))
    if kind == "bytes" and content:
        return kind, fuzzing.with_changed_bytes(content, rng)
    k = rng.randrange(len(content) + 1)
    if kind == "number":
        k = rng.randrange(min(len(content), 64) + 1)
        number = rng.choice(NUMBERS)
        return kind, content[:k] + struct.pack(rng.choice("<>") + "I", number) + content[k + 4 :]
    if kind == "length":
        return kind, content[:k] + rng.choice((b"", b"", bytes(9), content[:k]))
    end = min(len(content), k + rng.choice((1, 4, 100)))
    return "part", content[:k] + rng.choice((b"", content[k:end] * 9)) + content[end:]


def changed_inside(rng, seeds, unpack, pack):
    """Return a change of packed content, or of the content that is packed."""
    if rng.random() < 0.4:
        return changed(rng, seeds)
    kind, content = changed(rng, [unpack(seed) for seed in seeds])
    return f"{kind} inside", pack(content)


# ---------------------------------------------------------------------------------------- idx


@cache
def idx_contents():
    arrays = (np.arange(60), np.arange(24).reshape(2, 3, 4) % 9)
    return [idx(array.astype(np.uint8)) for array in arrays] + [struct.pack(">4BIf", 0, 0, 0x0D, 1, 1, 1.5)]


@cache
def images_and_labels():
    rng = np.random.default_rng(0)
    return gzip.compress(idx(rng.integers(0, 256, (3, 28, 28), np.uint8)), mtime=0), idx(np.array([7, 2, 1], np.uint8))


def read_digits(path):
    """Read a file of images as a part of a data set in MNIST's format."""
    (path.parent / "t10k-labels-idx1-ubyte").write_bytes(images_and_labels()[1])
    files = idx_files("t10k", 3, (None, ""), (hashlib.sha256(images_and_labels()[1]).hexdigest(), ""))
    load_idx_images(DataSet("Tiny", "tiny", (), {"all": files}), "all", path.parent, download=False)


def unzipped(content):
    return gzip.decompress(content)


# ---------------------------------------------------------------------------------------- CIFAR and archives


@cache
def cifar_contents():
    return [records([[k] for k in range(count)], seed=count)[0] for count in (1, 3)]


def read_cifar(path):
    load_cifar10("test", path.parent, download=False)


@cache
def archives(pack):
    contents = dict(zip(MEMBERS, cifar_contents(), strict=True))
    return [pack({f"folder/{name}": content for name, content in contents.items()})]


def read_archive(path):
    """Read all files of an archive; it may be verified or not."""
    packed = archives(zip_of if path.suffix == ".zip" else tar_of)[0]
    files = [
        DataFile(name, None, "", partial(_recognise, title="CIFAR-10", count=count), size=3073 * count)
        for name, count in zip(MEMBERS, (1, 3), strict=True)
    ]
    archive = Archive(path.name, "", hashlib.sha256(packed).hexdigest(), len(packed))
    data_set = DataSet("Tiny", "tiny", (), {"all": tuple(files)}, archive=archive)
    read_data_files(data_set, tuple(files), path.parent, download=False)


# ---------------------------------------------------------------------------------------- pictures


@cache
def pictures():
    """Return small pictures in many formats and pixel formats."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    rng = np.random.default_rng(3)
    colours = Image.fromarray(rng.integers(0, 256, (11, 7, 3)).astype(np.uint8))
    kinds = [("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    kinds += [("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("GIF", "P"), ("BMP", "RGB"), ("BMP", "P"), ("TIFF", "RGB")]
    kinds += [("TIFF", "L"), ("WEBP", "RGB"), ("PPM", "RGB"), ("ICO", "RGBA"), ("TGA", "RGB")]
    contents = []
    for form, mode in kinds:
        buffer = io.BytesIO()
        picture = colours.convert("L").convert("I").convert(mode) if mode == "I;16" else colours.convert(mode)
        exif = {"exif": _turned(Image)} if form in ("PNG", "JPEG", "TIFF", "WEBP") else {}
        picture.save(buffer, form, **exif)
        contents.append(buffer.getvalue())
    return contents


def _turned(image):
    exif = image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()


def changed_picture(rng, seeds):
    """Return a change of a picture; the checksums of a PNG file may be made right again."""
    kind, content = changed(rng, seeds)
    if rng.random() < 0.5 and content.startswith(b"\x89PNG"):
        return f"{kind}, checksums", _with_checksums(content)
    return kind, content


def _with_checksums(content):
    position, parts = 8, [content[:8]]
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        end = position + 8 + length
        if end + 4 > len(content):
            break
        chunk = content[position + 4 : end]
        parts += [content[position : position + 4], chunk, struct.pack(">I", zlib.crc32(chunk))]
        position = end + 4
    return b"".join(parts) + content[position:]


def read_picture(path):
    read_image(path, (4, 5))


def read_class(path):
    """Read a folder with one class, which contains the picture."""
    folder = path.parent / "classes" / "a"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / path.name).write_bytes(path.read_bytes())
    load_folder(folder.parent, (4, 5), grey=True)


def read_digit(path):
    """Read the ink of a picture; a blank picture is also refused by name."""
    read_ink(path)


def read_mask_and_image(path):
    """Read a picture as a mask, and as the image of a mask."""
    from PIL import Image

    other = path.with_name("other.png")
    Image.new("L", (7, 11)).save(other)
    reads = (lambda path: read_mask(path, other, (4, 5)), lambda path: read_mask(other, path, (4, 5)))
    return result(path, *reads, names=[other.name])


# ---------------------------------------------------------------------------------------- numpy.save


@cache
def saved_arrays():
    contents = []
    for array in (np.arange(35.0).reshape(1, 5, 7, 1), np.arange(3, dtype=np.int16), np.array(2.5)):
        buffer = io.BytesIO()
        np.save(buffer, array)
        contents.append(buffer.getvalue())
    return contents


def changed_array(rng, seeds):
    """Return a change of a file of numpy.save, often of the numbers in its header."""
    content = rng.choice(seeds)
    if rng.random() < 0.5:
        return changed(rng, seeds)
    old = rng.choice((b"(1, 5, 7, 1)", b"(3,)", b"()", b"<f8", b"<i2", b"False", b"'shape'"))
    new = rng.choice((b"(99999999999, 9)", b"(-1,)", b"(1, 5, 7)", b"(None,)", b"|O", b"<U9", b"True", b"__import__('os')"))
    return "header", content.replace(old, new)


def read_array(path):
    """Read an array as `refconv trace --x FILE` does."""
    from refconv.cli.trace import read_array as read

    read("x", str(path))


FILES = (
    Reader("idx", "case-idx", idx_contents, lambda path: result(path, read_idx), changed),
    Reader(
        "idx.gz",
        "t10k-images-idx3-ubyte.gz",
        lambda: [images_and_labels()[0]],
        lambda path: result(path, read_idx, read_digits),
        partial(changed_inside, unpack=unzipped, pack=partial(gzip.compress, mtime=0)),
    ),
    Reader("cifar", "test_batch.bin", cifar_contents, lambda path: result(path, read_cifar), changed),
    Reader(
        "tar.gz",
        "all.tar.gz",
        partial(archives, tar_of),
        lambda path: result(path, read_archive),
        partial(changed_inside, unpack=unzipped, pack=partial(gzip.compress, compresslevel=1, mtime=0)),
    ),
    Reader("zip", "all.zip", partial(archives, zip_of), lambda path: result(path, read_archive), changed),
    Reader("pictures", "case.png", pictures, lambda path: result(path, read_picture, read_class, read_digit), changed_picture),
    Reader("masks", "case.png", pictures, read_mask_and_image, changed_picture),
    Reader("npy", "case.npy", saved_arrays, lambda path: result(path, read_array), changed_array),
)
