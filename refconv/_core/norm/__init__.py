"""Normalisation over batches and over neighbouring channels."""
