"""Tests of training on a disk that becomes full."""

import pytest

import full_disk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not full_disk.is_allowed(), reason="this process may not mount file systems"),
]


@pytest.fixture(scope="module")
def expected():
    return full_disk.uninterrupted()


@pytest.mark.parametrize(
    ("kilobytes", "file", "then"),
    [
        (4, "last.safetensors", "there is no checkpoint yet"),
        (600, "last.safetensors", "resumed to the same bits"),
        (1000, "model.safetensors", "resumed to the same bits"),
        (1300, "training.png", "resumed to the same bits"),
    ],
)
def test_a_full_disk_is_an_error_that_names_the_file_and_loses_no_checkpoint(expected, kilobytes, file, then):
    assert full_disk.outcome(kilobytes, expected) == f"refconv: run/{file}: no space left on device; {then}"
