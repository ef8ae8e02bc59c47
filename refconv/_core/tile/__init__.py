"""The innermost loop of sums of products, and the sweep of a kernel over an image."""
