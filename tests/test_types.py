"""Tests that public functions are annotated and that a typed program runs.

``.ci/lint`` checks that the annotations are correct.
"""

import inspect
from pathlib import Path

import pytest

import refconv
import typed_program
from refconv import analysis, data, models, nn, onnx, optim, training, verify


def functions_of(module):
    """Yield the names and functions of a module's public functions and public methods."""
    for name in module.__all__:
        public = getattr(module, name)
        if inspect.isfunction(public):
            yield name, public
        elif inspect.isclass(public) and public.__module__.startswith("refconv"):
            for method, function in vars(public).items():
                if inspect.isfunction(function) and (method == "__init__" or not method.startswith("_")):
                    yield f"{name}.{method}", function


def unannotated(function):
    signature = inspect.signature(function)
    names = [name for name, parameter in signature.parameters.items() if parameter.annotation is parameter.empty]
    return [name for name in names if name not in ("self", "cls")] + ["return"] * (
        signature.return_annotation is signature.empty
    )


@pytest.mark.parametrize(
    "module", [refconv, analysis, data, models, nn, onnx, optim, training, verify], ids=lambda module: module.__name__
)
def test_every_public_function_is_annotated(module):
    functions = dict(functions_of(module))
    assert len(functions) > 3
    missing = {name: arguments for name, function in functions.items() if (arguments := unannotated(function))}
    assert not missing


def test_the_package_has_the_marker_of_typed_packages():
    assert Path(refconv.__file__).with_name("py.typed").is_file()


def test_a_typed_program_runs(capsys):
    typed_program.main()
    assert capsys.readouterr().out.splitlines()[-1] == "128,795,015"  # parameters of VGG-11 with seven classes
