"""Tables of the products that contribute to one output element."""

# The package is not called `trace`: importing a subpackage of that name would overwrite the function refconv.verify.trace.
