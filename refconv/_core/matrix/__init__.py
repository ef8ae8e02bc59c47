"""Matrix products, and convolution as a matrix."""
