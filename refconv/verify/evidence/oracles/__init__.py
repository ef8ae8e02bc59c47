"""Other libraries as oracles, one module each; see :mod:`refconv.verify.evidence.oracle`.

``evaluate(name, a)`` of such a module takes the name of an operator and its arguments, including ``a.dy``, and returns a dict
of float64 arrays: the output "y", and the derivatives of ⟨dy, y⟩ by name of array. It returns None if the library does not
have the operator or the options. If dy does not have the shape of y, there are no derivatives.

One module needs no library: :mod:`refconv.verify.evidence.oracles.conventions` takes padding, sizes and divisors from tables.

ONNX has no derivatives but a test suite: ``cases(name)`` of its module runs the operator on the inputs of these tests and
yields both results.

A library is imported by the function that calls it, so each module can be imported if its library is missing.
"""
