"""Tests of the build on systems without semaphores, UTF-8 locales or a terminal."""

import importlib.util
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import tarfile
import types
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[1] / "setup.py"


@pytest.fixture
def setup():
    pytest.importorskip("setuptools")
    spec = importlib.util.spec_from_file_location("refconv_setup", SETUP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # the processes that run Cython import it the same way; this must not start a build
    return module


@pytest.mark.parametrize("error", [ImportError, PermissionError, FileNotFoundError])
def test_without_semaphores_one_process_translates_all_sources(setup, monkeypatch, error):
    def lock():
        raise error("no semaphores here")

    assert setup.processes() >= 0
    monkeypatch.setattr(multiprocessing, "Lock", lock)
    assert setup.processes() == 0


def test_sources_are_read_as_utf_8_whatever_the_locale():
    """Check that no read_text() lacks its encoding.

    With PYTHONUTF8=0 it would raise EncodingWarning here, and fail on systems with cp1252 or gbk.
    """
    script = (
        "import importlib.util as u; spec = u.spec_from_file_location('s', 'setup.py'); m = u.module_from_spec(spec); "
        "spec.loader.exec_module(m); print(sum(len(m.headers(f)) for f in sorted(m.CORE.glob('*/*.pyx'))))"
    )
    command = [sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning:__main__", "-W"]
    command += ["error::EncodingWarning:s", "-c", script]
    run = subprocess.run(
        command, cwd=SETUP.parent, env={**os.environ, "PYTHONUTF8": "0"}, capture_output=True, encoding="utf-8", timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 50


@pytest.mark.skipif(os.name != "posix", reason="the compiler is a shell script")
def test_a_cross_compiler_chooses_the_instruction_sets_and_not_this_machine(setup, monkeypatch, tmp_path):
    def compiler(target):
        path = tmp_path / target
        path.write_text(f"#!/bin/sh\n[ $1 = -dumpmachine ] && echo {target}\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    monkeypatch.delenv("ARCHFLAGS", raising=False)
    for target, on_x86 in {"aarch64-linux-gnu": False, "x86_64-linux-gnu": True, "x86_64-apple-darwin23": True}.items():
        monkeypatch.setenv("CC", compiler(target))
        assert setup.on_x86() == on_x86, target
    monkeypatch.setenv("ARCHFLAGS", "-arch arm64 -arch x86_64")  # macOS: one file for both processors
    assert not setup.on_x86()
    monkeypatch.delenv("ARCHFLAGS")
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    for python, on_x86 in {"linux-x86_64": True, "win-amd64": True, "linux-aarch64": False}.items():
        monkeypatch.setattr(setup.sysconfig, "get_platform", lambda python=python: python)
        assert setup.on_x86() == on_x86, python


def test_msvc_reads_the_generated_sources_as_utf_8(setup, monkeypatch):
    monkeypatch.setattr(setup, "openmp_flags", lambda: types.SimpleNamespace(extra_compile_args=[], extra_link_args=[]))
    monkeypatch.setattr(setup.sys, "platform", "win32")
    assert all("/utf-8" in setup.flags(own)[0] for own in setup.MSVC_FLAGS.values())


def test_each_compiled_module_prints_a_line_with_its_count(setup, monkeypatch, capsys):
    from setuptools import Distribution, Extension

    monkeypatch.setattr(setup.build_ext, "build_extension", lambda self, extension: None)
    monkeypatch.setattr(setup.logging.getLogger(), "level", logging.WARNING)
    monkeypatch.delenv("PIP_BUILD_TRACKER", raising=False)
    kernels = ("conv", "dense", "loss", "norm")
    command = setup.BuildKernels(Distribution())
    command.extensions = [Extension(f"refconv._core.isa.{isa}.{name}", []) for isa in setup.ISA_NAMES for name in kernels]
    command.parallel = 3
    command.build_extensions()
    counts, modules = zip(*(line.split("] ") for line in capsys.readouterr().out.splitlines()), strict=True)
    assert counts == tuple(f"[{k:2}/12" for k in range(1, 13))
    assert set(modules) == {f"{name} ({isa})" for isa in ("baseline", "AVX2", "AVX-512") for name in kernels}


@pytest.mark.parametrize("editable", [False, True])
def test_only_a_build_without_kernels_leaves_the_marker_that_permits_the_loops(setup, monkeypatch, tmp_path, editable):
    from setuptools import Distribution

    from refconv._core import _load

    def build(pure):
        monkeypatch.setenv("REFCONV_PURE", pure)
        command = setup.BuildPython(Distribution({"packages": []}))
        command.ensure_finalized()
        command.build_lib, command.editable_mode = "built", editable
        command.run()
        return sorted(tmp_path.rglob("*.txt"))

    monkeypatch.chdir(tmp_path)
    assert Path(_load.__file__).parent / setup.PURE_MARKER.name == _load.PURE_MARKER
    assert build("1") == [tmp_path / ("" if editable else "built") / setup.PURE_MARKER]
    assert build("") == []


def test_a_source_archive_has_the_same_bytes_wherever_and_whenever_it_is_written(setup, monkeypatch, tmp_path):
    from setuptools import Distribution

    def archive(folder, mode, age):
        monkeypatch.chdir(folder)
        files = {Path("refconv-1.2", *name): text for name, text in {("b", "y.py"): "y = 2\n", ("a.py",): "a = 1\n"}.items()}
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(mode)
            os.utime(path, (age, age))
        command = setup.SourceArchive(Distribution({"name": "refconv"}))
        path = Path(command.make_archive("refconv-1.2", "gztar", base_dir="refconv-1.2"))
        with tarfile.open(path) as tar:
            assert {entry.name: entry.mtime for entry in tar if entry.isfile()} == dict.fromkeys(
                map(Path.as_posix, files), 1e9
            )
        return path.read_bytes()

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir(mode=0o700)
    assert archive(tmp_path / "first", 0o644, age=1.5e9) == archive(tmp_path / "second", 0o600, age=1.6e9)


@pytest.mark.parametrize(("verbose", "level"), [(1, logging.WARNING), (2, logging.INFO)])
def test_command_lines_of_the_compiler_are_printed_on_request(setup, monkeypatch, verbose, level):
    from setuptools import Distribution

    monkeypatch.setattr(setup.logging.getLogger(), "level", logging.INFO)
    command = setup.BuildKernels(Distribution())
    command.extensions, command.verbose = [], verbose
    command.build_extensions()
    assert logging.getLogger().level == level


def test_progress_is_printed_on_the_terminal_although_pip_hides_standard_output(setup, monkeypatch, tmp_path, capsys):
    terminal = tmp_path / "terminal"
    terminal.touch()
    monkeypatch.setattr(setup, "TERMINAL", terminal)
    monkeypatch.delenv("PIP_BUILD_TRACKER", raising=False)
    setup.report("[ 1/71] conv (AVX2)")
    assert terminal.read_text("utf-8") == ""
    monkeypatch.setenv("PIP_BUILD_TRACKER", "/somewhere")
    setup.report("[ 2/71] conv (AVX2)")
    assert terminal.read_bytes().startswith(b"\r  [ 2/71] conv (AVX2) ")
    monkeypatch.setattr(setup, "TERMINAL", tmp_path / "nowhere" / "terminal")  # as in a container
    setup.report("[ 3/71] conv (AVX2)")
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_lowest_versions_have_one_constraint_for_each_package():
    pytest.importorskip("packaging")
    path = SETUP.parent / ".ci" / "lowest_versions.py"
    spec = importlib.util.spec_from_file_location("lowest_versions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    texts = ["numpy>=1.24", 'setuptools>=77; extra == "dev"', 'setuptools>=65.5; extra == "test"', "pytest>=8", "tqdm"]
    assert [*module.constraints(texts)] == ["numpy==1.24.*", "setuptools==65.5.*", "pytest==8.0.*"]


@pytest.mark.slow
def test_an_installed_package_contains_the_trained_weights_and_their_table(tmp_path):
    pytest.importorskip("setuptools", minversion="77")  # earlier versions do not know the licence's form in pyproject.toml
    command = ["setup.py", "-q", "egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(tmp_path / "lib")]
    run = subprocess.run(
        [sys.executable, *command],
        cwd=SETUP.parent,
        env={**os.environ, "REFCONV_PURE": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    source = SETUP.parent / "refconv" / "models" / "pretrained"
    installed = tmp_path / "lib" / "refconv" / "models" / "pretrained"
    names = {path.name for path in source.iterdir() if path.is_file()}
    assert {"README.md", "lenet-mnist.safetensors"} <= names
    assert {path.name for path in installed.iterdir()} == names


def test_the_patterns_of_package_data_match_the_trained_weights_and_their_table():
    text = (SETUP.parent / "pyproject.toml").read_text(encoding="utf-8")
    patterns = re.findall(r'"([^"]+)"', re.search(r'^"refconv.models.pretrained" = \[(.*)\]$', text, re.MULTILINE)[1])
    files = [path for path in (SETUP.parent / "refconv" / "models" / "pretrained").iterdir() if path.is_file()]
    assert len(files) > 4
    assert not [path for path in files if path.suffix != ".py" and not any(map(path.match, patterns))]


def test_modules_contain_no_path_of_the_python_that_built_them(setup, monkeypatch):
    monkeypatch.setenv("LDFLAGS", "-L/b/lib -Wl,-rpath,/b/lib")
    linker = ["gcc", "-shared", "-Wl,-rpath,/a/lib", "-L/a/lib", "-Wl,-rpath=/a/lib", "-L/b/lib", "-Wl,-rpath,/b/lib"]
    assert setup.without_run_path(linker) == ["gcc", "-shared", "-L/a/lib", "-L/b/lib", "-Wl,-rpath,/b/lib"]
