"""Pooling, upsampling and padding."""
