"""Code that all kernels share: types, arrays, lanes, block sums, streaming stores, threads."""
