"""What every kernel uses: element types, arrays, vector lanes, sums in blocks, streaming stores and threads."""
