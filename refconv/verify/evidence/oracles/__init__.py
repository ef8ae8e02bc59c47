"""Other libraries as oracles, one module each; see :mod:`refconv.verify.evidence.oracle`.

``evaluate(name, a)`` of such a module takes the name of an operator and its arguments, with ``a.dy``, and returns a dict of
float64 arrays: "y", and the derivatives of ⟨dy, y⟩ by the names of their arrays. It returns None if the library has no such
operator, or not with these options. Without a dy of y's shape there are no derivatives.

One module needs no library: :mod:`refconv.verify.evidence.oracles.conventions` takes padding, sizes and divisors from tables.

ONNX has no derivatives but tests: ``cases(name)`` of its module runs the operator on the inputs of these tests and yields its
results with theirs.

A library is imported by the function that calls it, so each module can be imported where its library is missing.
"""
