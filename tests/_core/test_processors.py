"""Tests of the default number of threads with simulated environments and control groups."""

import math
import os
import sys

import pytest

from refconv._core.machine.processors import cpu_quota, default_threads


@pytest.fixture
def system(tmp_path):
    """Return a function that writes files below a temporary root and returns the root."""

    def write(**files):
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.fsencode(text))
        return tmp_path

    return write


V2 = "0::/docker/abc\n"
V1 = "12:memory:/x\n4:cpu,cpuacct:/docker/abc\n1:cpuset:/y\n"


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert cpu_quota(tmp_path) == math.inf


@pytest.mark.parametrize("mount", ["", "unified/"])
def test_a_quota_of_version_2_is_a_ratio(system, mount):
    root = system(**{"proc/self/cgroup": V2, f"sys/fs/cgroup/{mount}docker/abc/cpu.max": "150000 100000\n"})
    assert cpu_quota(root) == 1.5


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are folders of Linux")
@pytest.mark.parametrize("group", [b"m\xc3\xbcller", b"m\xfcller", b"a\xe2\x80\xa8b", b"a\x0cb"])
def test_a_group_name_may_contain_any_bytes_except_newlines(system, group):
    group = os.fsdecode(group)
    root = system(**{"proc/self/cgroup": f"0::/{group}\n", f"sys/fs/cgroup/{group}/cpu.max": "150000 100000\n"})
    assert cpu_quota(root) == 1.5


def test_a_non_ascii_group_name_does_not_hide_the_quota_at_the_mount(system):
    root = system(**{"proc/self/cgroup": "0::/müller\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert cpu_quota(root) == 0.5


def test_version_1_is_found_in_a_mount_named_after_all_its_controllers(system):
    folder = "sys/fs/cgroup/cpuset,cpu,cpuacct/docker/abc"
    files = {f"{folder}/cpu.cfs_quota_us": "250000\n", f"{folder}/cpu.cfs_period_us": "100000\n"}
    assert cpu_quota(system(**{"proc/self/cgroup": "4:cpuset,cpu,cpuacct:/docker/abc\n"}, **files)) == 2.5


@pytest.mark.parametrize("mount", ["", "unified/"])
def test_a_quota_of_version_2_at_the_mount_applies_without_the_list_of_groups(system, mount):
    assert cpu_quota(system(**{f"sys/fs/cgroup/{mount}cpu.max": "50000 100000\n"})) == 0.5


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_a_quota_of_version_1_at_the_mount_applies_without_the_list_of_groups(system, mount):
    folder = f"sys/fs/cgroup/{mount}"
    assert cpu_quota(system(**{f"{folder}/cpu.cfs_quota_us": "250000", f"{folder}/cpu.cfs_period_us": "100000"})) == 2.5


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_a_quota_of_version_1_is_a_ratio(system, mount):
    folder = f"sys/fs/cgroup/{mount}/docker/abc"
    files = {f"{folder}/cpu.cfs_quota_us": "250000\n", f"{folder}/cpu.cfs_period_us": "100000\n"}
    assert cpu_quota(system(**{"proc/self/cgroup": V1}, **files)) == 2.5


def test_the_smallest_quota_of_all_parent_groups_applies(system):
    files = {f"sys/fs/cgroup/{group}cpu.max": text for group, text in GROUPS.items()}
    assert cpu_quota(system(**{"proc/self/cgroup": "0::/a/b/c\n"}, **files)) == 3


GROUPS = {"": "max 100000\n", "a/": "300000 100000\n", "a/b/": "700000 100000\n", "a/b/c/": "max 100000\n", "a/d/": "1 2\n"}


@pytest.mark.parametrize("group", ["0::/\n", "0::/../../host/path\n", "0::/host/path:with colon\n"])
def test_a_container_that_sees_only_its_own_group_uses_the_quota_at_the_mount(system, group):
    root = system(**{"proc/self/cgroup": group, "sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert cpu_quota(root) == 0.5


@pytest.mark.parametrize("text", ["max 100000\n", "max\n", "", "-1 100000", "0 100000", "100000 0", "x y z", "100000"])
def test_files_without_a_limit_and_damaged_files_set_no_quota(system, text):
    assert cpu_quota(system(**{"proc/self/cgroup": V2, "sys/fs/cgroup/docker/abc/cpu.max": text})) == math.inf


def test_the_quota_of_another_controller_is_ignored(system):
    files = {"sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "1", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "1"}
    assert cpu_quota(system(**{"proc/self/cgroup": V1}, **files)) == math.inf


@pytest.mark.parametrize(
    ("available", "quota", "threads", "reason"),
    [
        (7, "max", 7, "available processors"),
        (7, "150000", 2, "CPU quota of the control group: 1.5"),
        (7, "20000", 1, "CPU quota of the control group: 0.2"),
        (3, "500000", 3, "available processors"),
        (3, "300000", 3, "available processors"),
        (0, "500000", 1, "no OpenMP in this build"),
        (5000, "max", 1024, "available processors; at most 1024"),
    ],
)
def test_the_default_is_the_smaller_of_processors_and_quota(system, available, quota, threads, reason):
    root = system(**{"proc/self/cgroup": V2, "sys/fs/cgroup/docker/abc/cpu.max": f"{quota} 100000"})
    assert default_threads(available, {}, root) == (threads, reason)


@pytest.mark.parametrize(
    ("variables", "threads", "reason"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3, "OMP_NUM_THREADS=3"),
        ({"OMP_NUM_THREADS": " 9 "}, 9, "OMP_NUM_THREADS=9"),
        ({"OMP_NUM_THREADS": "4,2"}, 4, "OMP_NUM_THREADS=4,2"),
        ({"OMP_NUM_THREADS": "1024"}, 1024, "OMP_NUM_THREADS=1024"),
        ({"OMP_NUM_THREADS": "1025"}, 1024, "OMP_NUM_THREADS=1025; at most 1024"),
        ({"OMP_NUM_THREADS": "9", "OMP_THREAD_LIMIT": "6"}, 6, "OMP_NUM_THREADS=9; at most 6"),
        ({"OMP_THREAD_LIMIT": "1"}, 1, "available processors; at most 1"),
        ({"OMP_THREAD_LIMIT": "0"}, 2, "available processors"),
        ({"OMP_THREAD_LIMIT": "many"}, 2, "available processors"),
        ({"OMP_NUM_THREADS": ""}, 2, "available processors"),
        *(
            ({"OMP_NUM_THREADS": text}, 2, f"available processors; OMP_NUM_THREADS={text} ignored: not a positive integer")
            for text in ("0", "-1", "two", "1.5", "4,", "4,x", "1_0", "٣", "9" * 5000)
        ),
    ],
)
def test_a_valid_omp_num_threads_sets_the_default(tmp_path, variables, threads, reason):
    assert default_threads(2, variables, tmp_path) == (threads, reason)
