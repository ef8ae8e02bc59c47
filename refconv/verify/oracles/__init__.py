"""Other libraries as witnesses, one module each; see :mod:`refconv.verify.oracle`.

``evaluate(name, a)`` of such a module takes the name of an operator and its arguments, with ``a.dy``, and returns a dict of
float64 arrays: "y", and the derivatives of ⟨dy, y⟩ by the names of their arrays; None where the library has no such
operator, or not with these options. Without a dy of y's shape there are no derivatives.

One module is no library: :mod:`refconv.verify.oracles.conventions` decides padding, sizes and divisors by literal tables.

ONNX has no derivatives, but tests: ``cases(name)`` of its module runs the operator on the inputs that others chose, and
gives its results beside theirs.

A library is imported by the function that asks it, so each module can be read where its library is missing.
"""
